"""Jobs that were there before audiences keep who sees them, and can be found by their labels."""

from __future__ import annotations

from sqlalchemy import Connection, text

from labq.services import schema
from labq.services.database import Role, make_engine

BEFORE, AFTER = "0008", "0009"
ROWS = """
INSERT INTO "user" (id, name, created_at) VALUES (1, 'ann', now()), (2, 'bob', now());
INSERT INTO job (id, name, submitter_id, device_type, priority, state, submitted_at, tags,
                 viewing_groups)
VALUES (1, 'x', 1, 'shell', 50, 'submitted', now(), '{usb,usb}', NULL),
       (2, 'x', 1, 'shell', 50, 'submitted', now(), '{}', '{}'),
       (3, 'x', 2, 'shell', 50, 'submitted', now(), '{}', '{}'),
       (4, 'x', 2, 'shell', 50, 'submitted', now(), '{}', '{7,3,7}'),
       (5, 'x', 1, 'shell', 50, 'submitted', now(), '{}', '{3,7}');
INSERT INTO job_definition (job_id, definition, metadata)
VALUES (2, '', '{"build": "9", "all": ["a", "b", {}], "deep": {"a": "b"}}');
"""
AUDIENCES = (
    "SELECT job.id, groups, owner_id FROM job JOIN audience ON audience.id = audience_id"
    " ORDER BY job.id"
)
LABELS = "SELECT job_id, name, value FROM job_label ORDER BY 1, 2, 3"


def test_jobs_keep_who_sees_them(empty_database_url: str) -> None:
    schema.upgrade(empty_database_url, BEFORE)
    engine = make_engine(empty_database_url, Role.COMMAND)
    with engine.begin() as connection:
        connection.exec_driver_sql(ROWS)
    schema.upgrade(empty_database_url, AFTER)
    with engine.begin() as connection:
        assert _rows(connection, AUDIENCES) == [
            (1, [], None),
            (2, [], 1),
            (3, [], 2),
            (4, [3, 7], None),
            (5, [3, 7], None),
        ]
        assert _rows(connection, LABELS) == [
            (1, "tag", "usb"),
            (2, "meta.all", "a"),
            (2, "meta.all", "b"),
            (2, "meta.build", "9"),
        ]
        assert _rows(connection, "SELECT * FROM queue_length") == [("shell", 5, 0)]
    schema.downgrade(empty_database_url, BEFORE)
    with engine.begin() as connection:
        groups = _rows(connection, "SELECT viewing_groups FROM job ORDER BY id")
    engine.dispose()
    assert groups == [(None,), ([],), ([],), ([3, 7],), ([3, 7],)]


def _rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]
