"""Roles of PostgreSQL: what each may do, and that readers never take the conductor's connections."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg2
import pytest
from psycopg2 import errors
from sqlalchemy import text
from sqlalchemy.engine import make_url

from labq.cli.checks.database import pools
from labq.cli.checks.finding import State
from labq.config import Settings
from labq.services.connections import find_use, shares
from labq.services.database import Role, make_engine
from labq.services.database_roles import CONDUCTOR, REPORT, WEB, ensure, statements
from labq.services.pools import open_pools
from labq.web.app import create_app
from tests.integration.cli_runner import Cli
from tests.integration.conductor_lab import COLLECT, Lab, began, ended, eventually

READERS = 4


def as_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


@pytest.fixture
def roles(settings: Settings) -> Iterator[Settings]:
    """Return settings in which each part has its role; readers have READERS connections."""
    engine = make_engine(settings.database_url, Role.COMMAND)
    with engine.begin() as connection:
        ensure(connection, replace(shares({}), web=READERS, report=2))
    yield settings.model_copy(
        update={
            "database_web_url": as_role(settings.database_url, WEB),
            "database_conductor_url": as_role(settings.database_url, CONDUCTOR),
            "database_report_url": as_role(settings.database_url, REPORT),
        }
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER ROLE {WEB} CONNECTION LIMIT -1")
    engine.dispose()


def run(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def test_the_statements_may_be_run_again(roles: Settings) -> None:
    run(
        roles.database_url,
        *statements(make_url(roles.database_url).database or "", "labq", shares({})),
    )


def test_web_changes_rows_and_no_tables(roles: Settings) -> None:
    url = roles.web_database
    run(url, "INSERT INTO device_type (name) VALUES ('board')", "DELETE FROM device_type")
    for statement in ("CREATE TABLE mine (n int)", "DROP TABLE job", "TRUNCATE job CASCADE"):
        with pytest.raises(errors.InsufficientPrivilege):
            run(url, statement)


def test_a_report_changes_nothing_and_reads_no_secrets(roles: Settings) -> None:
    run(roles.report_database, "SELECT count(*) FROM job")
    with pytest.raises(errors.ReadOnlySqlTransaction):
        run(roles.report_database, "DELETE FROM job")
    with pytest.raises(errors.InsufficientPrivilege):
        run(roles.report_database, "SET transaction_read_only = off", "DELETE FROM job")
    for table in ("token", "remote_token", "login"):
        with pytest.raises(errors.InsufficientPrivilege):
            run(roles.report_database, f"SELECT * FROM {table}")


def test_the_conductor_makes_tables_that_the_owner_drops_and_web_reads(roles: Settings) -> None:
    run(roles.conductor_database, "CREATE TABLE later (n int)")
    run(roles.web_database, "INSERT INTO later VALUES (1)")
    run(roles.report_database, "SELECT * FROM later")
    run(roles.database_url, "DROP TABLE later")


def test_pages_and_reports_work_in_their_roles(roles: Settings, lab: Lab) -> None:
    lab.submit()
    run(roles.database_url, f"ALTER ROLE {WEB} CONNECTION LIMIT -1")
    opened = open_pools(roles)
    client = create_app(roles.model_copy(update={"cache": True}), opened).test_client()
    for path in ("/", "/jobs", "/devices", "/hosts", "/api/v1/jobs", "/api/v1/devices"):
        assert client.get(path).status_code == 200
    opened.dispose()


def test_readers_that_take_all_they_can_do_not_stop_the_conductor(
    roles: Settings, lab: Lab
) -> None:
    job = lab.submit()
    lab.settings = roles
    with ExitStack() as held:
        pool = held.enter_context(ThreadPoolExecutor(READERS + 4))
        links = [psycopg2.connect(roles.web_database) for _ in range(READERS)]
        held.callback(_release, lab)
        for link in links:
            pool.submit(_hold, link)
        eventually(lambda: _held_up(lab) == READERS, "readers hold all of their connections")
        with pytest.raises(psycopg2.OperationalError, match="too many connections"):
            psycopg2.connect(roles.web_database)
        client = create_app(roles, open_pools(roles)).test_client()
        flood = [pool.submit(client.get, "/api/v1/jobs") for _ in range(8)]
        with lab.conducting():
            run_id = eventually(lambda: lab.sent_run(job), "the run is sent").id
            lab.send(began(run_id, 0), ended(run_id, 0, 1), began(run_id, 1), ended(run_id, 1, 2))
            lab.send(began(run_id, COLLECT), ended(run_id, COLLECT, None))
            eventually(lambda: lab.is_finished(job), "the job ends")
        assert {request.result(20).status_code for request in flood} == {503}
        assert _held_up(lab) == READERS


def _hold(link: psycopg2.extensions.connection) -> None:
    with link.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM job, pg_sleep(600)")


def _held_up(lab: Lab) -> int:
    query = (
        "SELECT count(*) FROM pg_stat_activity"
        f" WHERE usename = '{WEB}' AND wait_event = 'PgSleep' AND datname = current_database()"
    )
    with lab.engine.connect() as connection:
        return int(connection.scalar(text(query)) or 0)


def _release(lab: Lab) -> None:
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE usename = '{WEB}' AND datname = current_database()"
    )
    with lab.engine.connect() as connection:
        connection.execute(text(query))


def test_the_doctor_advises_roles_and_room(
    roles: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABQ_DATABASE_URL", roles.database_url)
    monkeypatch.delenv("LABQ_DATABASE_WEB_URL", raising=False)
    advised, room = list(pools())
    assert advised.advice.endswith("`labq db roles`")
    assert "may take" in room.found
    monkeypatch.setenv("LABQ_DATABASE_WEB_URL", roles.web_database)
    monkeypatch.setenv("LABQ_DATABASE_CONDUCTOR_URL", roles.conductor_database)
    monkeypatch.setenv("LABQ_DATABASE_REPORT_URL", roles.report_database)
    assert next(iter(pools())).state is State.GOOD


def test_more_than_the_server_gives_out_is_told(roles: Settings) -> None:
    engine = make_engine(roles.database_url, Role.COMMAND)
    with ExitStack() as held, engine.connect() as connection:
        for number in range(8):
            name = f"labq api {number}@elsewhere"
            url = f"{roles.database_url}&application_name={quote(name)}"
            held.enter_context(closing(psycopg2.connect(url)))
        use = find_use(connection)
    engine.dispose()
    assert use.numbers["web"] >= 8
    assert use.may_take > use.given_out == 57


def test_the_sql_is_written_for_the_numbers_given(roles: Settings, tmp_path: Path) -> None:
    cli = Cli("http://127.0.0.1:1", tmp_path)
    answer = cli("db", "roles", "--webs", "3", LABQ_DATABASE_URL=roles.database_url)
    assert f"ALTER ROLE {WEB} CONNECTION LIMIT {shares({'web': 3}).web};" in answer.stdout
