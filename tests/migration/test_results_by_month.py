"""Results and logs that were there before partitions are there after, and back again."""

from __future__ import annotations

from sqlalchemy import Connection, text

from labq.services import schema
from labq.services.database import Role, make_engine

BEFORE, AFTER = "0007", "0008"
ROWS = """
INSERT INTO "user" (id, name, created_at) VALUES (1, 'ann', now());
INSERT INTO host (name, state, health) VALUES ('rack', 'online', 'active');
INSERT INTO device_type (name) VALUES ('shell');
INSERT INTO device (id, name, device_type, host, template, state, health)
VALUES (1, 'board', 'shell', 'rack', '', 'idle', 'good');
INSERT INTO job (id, name, submitter_id, device_type, priority, state, submitted_at)
VALUES (1, 'x', 1, 'shell', 50, 'submitted', '2023-02-28 23:30:00-01'),
       (2, 'x', 1, 'shell', 50, 'submitted', '2023-02-28 23:30:00Z');
INSERT INTO run (id, job_id, number, device_id, host, state, epoch, next, reserved_at, log_bytes,
                 log_lines, is_log_packed)
VALUES (1, 1, 1, 1, 'rack', 'ended', 1, 0, now(), 70, 7, true),
       (2, 2, 1, 1, 'rack', 'ended', 1, 0, now(), 0, 0, false);
INSERT INTO test_suite (id, job_id, run_id, name)
VALUES (4, 1, 1, 'one'), (5, 2, NULL, 'lava'), (6, 2, 2, 'empty');
INSERT INTO test_case (id, suite_id, epoch, step, channel, "offset", name, verdict, logged_at)
VALUES (9, 4, 1, 0, 'c', 1, 'a', 'pass', now()), (10, 4, 1, 0, 'c', 2, 'b', 'fail', now()),
       (11, 5, 0, -1, '', 0, 'job', 'fail', now());
"""
CASES = "SELECT id, suite_id, name, verdict FROM test_case ORDER BY id"
EXPECTED = [(9, 4, "a", "pass"), (10, 4, "b", "fail"), (11, 5, "job", "fail")]


def test_results_and_logs_are_filed_by_month_and_counted(empty_database_url: str) -> None:
    schema.upgrade(empty_database_url, BEFORE)
    engine = make_engine(empty_database_url, Role.COMMAND)
    with engine.begin() as connection:
        connection.exec_driver_sql(ROWS)
    schema.upgrade(empty_database_url, AFTER)
    with engine.begin() as connection:
        assert _rows(connection, CASES) == EXPECTED
        suites = "SELECT tableoid::regclass::text, id, passed, failed FROM test_suite ORDER BY id"
        assert _rows(connection, suites) == [
            ("test_suite_2023_03", 4, 1, 1),
            ("test_suite_2023_02", 5, 0, 1),
            ("test_suite_2023_02", 6, 0, 0),
        ]
        logs = "SELECT run_id, bytes, lines, submitted_on::text, is_packed FROM run_log"
        assert _rows(connection, logs) == [(1, 70, 7, "2023-03-01", True)]
        fresh = "INSERT INTO test_suite (job_id, name, submitted_on) VALUES (1, 'n', '2023-03-01')"
        assert connection.scalar(text(f"{fresh} RETURNING id")) == 7
    schema.downgrade(empty_database_url, BEFORE)
    with engine.begin() as connection:
        assert _rows(connection, CASES) == EXPECTED
        back = "SELECT log_bytes, log_lines, is_log_packed FROM run ORDER BY id"
        assert _rows(connection, back) == [(70, 7, True), (0, 0, False)]
    engine.dispose()


def _rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]
