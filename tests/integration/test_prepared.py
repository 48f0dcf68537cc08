"""Statements are planned once a connection, connections proven as seldom as possible, rights heard of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.services import prepared, proof
from labq.services.database import Role, make_engine, one_by_one
from labq.web.app import create_app
from labq.web.cache import Epoch
from labq.web.epochs import Ear
from tests.integration.web_site import Site
from tests.lab.waiting import until as eventually

SQL = "SELECT CAST(%(number)s AS integer) + 1 AS more, '%%' AS sign"
KNOWN = text("SELECT name, statement FROM pg_prepared_statements ORDER BY prepare_time, name")


@pytest.fixture
def engine(site: Site) -> Iterator[Engine]:
    """Return an engine of its own, with one connection at a time."""
    made = make_engine(site.engine.url.render_as_string(hide_password=False), Role.COMMAND)
    yield made
    made.dispose()


def _run(engine: Engine, sql: str, **values: object) -> tuple[object, ...]:
    with Session(engine) as session:
        return tuple(prepared.run(session, sql, values).one())


def _known(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [row.statement for row in connection.execute(KNOWN)]


def test_a_statement_is_planned_once_and_run_with_any_values(engine: Engine) -> None:
    seen = list[str]()
    event.listen(engine, "before_cursor_execute", lambda *told: seen.append(told[2]))
    assert [_run(engine, SQL, number=number)[0] for number in (1, 41, None)] == [2, 42, None]
    assert _run(engine, SQL, number=1)[1] == "%"
    assert len(_known(engine)) == 1
    assert seen[:4] == [SQL] * 4


def test_a_new_connection_plans_anew(engine: Engine) -> None:
    _run(engine, SQL, number=1)
    engine.dispose()
    assert _run(engine, SQL, number=2)[0] == 3


def test_the_ones_used_longest_ago_are_given_up(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared, "MOST_LETTERS", 2 * len(prepared.prepared(SQL).prepare) + 10)
    first, second, third = (SQL.replace("1", str(number)) for number in (1, 2, 3))
    for sql in (first, second, first, third):
        _run(engine, sql, number=1)
    known = _known(engine)
    assert len(known) == 2
    assert not any("+ 2" in statement for statement in known)


def test_a_failed_statement_leaves_its_connection_usable(engine: Engine) -> None:
    with pytest.raises(SQLAlchemyError):
        _run(engine, "SELECT 1 / CAST(%(number)s AS integer)", number=0)
    assert _run(engine, "SELECT 1 / CAST(%(number)s AS integer)", number=1) == (1,)


def test_a_connection_that_was_ended_is_made_anew(engine: Engine, site: Site) -> None:
    (before,) = _run(engine, "SELECT pg_backend_pid()")
    site.change(f"SELECT pg_terminate_backend({before}, 10000)")
    (after,) = _run(engine, "SELECT pg_backend_pid()")
    assert after != before


def test_a_connection_in_steady_use_is_not_asked(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pings = list[int]()
    ping = engine.dialect.do_ping

    def count(link: DBAPIConnection) -> bool:
        pings.append(1)
        return ping(link)

    monkeypatch.setattr(engine.dialect, "do_ping", count)
    monkeypatch.setattr(proof, "STEADY_SECONDS", 1e9)
    for number in range(3):
        _run(engine, SQL, number=number)
    assert pings == []
    monkeypatch.setattr(proof, "STEADY_SECONDS", -1.0)
    _run(engine, SQL, number=1)
    assert pings == [1]


def test_statements_one_by_one_are_committed_each(engine: Engine) -> None:
    with Session(engine) as session, session.begin(), one_by_one(session):
        moments = {session.scalar(text("SELECT now()")) for _ in range(2)}
    assert len(moments) == 2
    with Session(engine) as session:
        assert len({session.scalar(text("SELECT now()")) for _ in range(2)}) == 1


def test_a_revoked_token_is_refused_by_every_process(site: Site, settings: Settings) -> None:
    """Whoever revokes it: one process is told by the database what another, or nobody, has done."""
    rights = Epoch()
    ear = Ear(site.engine, Epoch(), rights)
    ear.start()
    other = Site(create_app(settings, site.engine, Epoch(), rights), site.engine)
    try:
        eventually(lambda: rights.is_live, "listening")
        ann = site.person("cora")
        assert other.get("/jobs", ann).status_code == 200
        for statement in (
            f'UPDATE "user" SET is_active = false WHERE id = {ann.id}',
            f'UPDATE "user" SET is_active = true WHERE id = {ann.id}',
            f'INSERT INTO membership SELECT {ann.id}, id FROM "group"',
            f"DELETE FROM token WHERE user_id = {ann.id}",
        ):
            number = rights.number
            site.change(statement)
            eventually(lambda: rights.number > number, statement)  # noqa: B023 - asked at once
        assert other.get("/jobs", ann).status_code == 401
    finally:
        ear.stop()
