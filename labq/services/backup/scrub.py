"""Makes a restored database fit for other eyes: no secrets, no hosts, nothing that is still to be sent.

What is a secret is decided in `labq.models.secrets`. Nothing is left in pages of the database's files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from sqlalchemy import Engine, Select, String, bindparam, cast, select, text, update
from sqlalchemy.orm import Session
from sqlalchemy.schema import Column, Table

from labq.domain.states import HostHealth, HostState, JobState
from labq.jobdef import redaction
from labq.models import TABLES
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.secrets import EMPTIED, REDACTED, SECRETS, Columns, Replaced, can_hold_secret
from labq.services import jobs, losses, transitions
from labq.services.backup.watcher import Watcher
from labq.services.database import Role, make_engine
from labq.services.transitions import By

ACTOR = "labq db restore --scrub"
WHY = "this is a copy: what the original had at work does not run here"
AT_ONCE = 500
STATISTICS = "pg_statistic"
"""The server analyzes tables as it likes; values of columns were there too."""


def undecided() -> list[str]:
    """Return the columns of labq's tables that can hold a secret and are not decided on."""
    return [
        f"{table.name}.{column.name}"
        for table in _tables().values()
        for column in table.columns
        if can_hold_secret(column.type) and not _is_decided(table.name, column.name)
    ]


def keeps_file(name: str) -> bool:
    """Tell whether a file belongs into the copy: logs are masked, artifacts may be anything."""
    return name.startswith("logs/")


def scrub(url: str, watcher: Watcher, now: datetime) -> None:
    """Scrub the database at `url`, whose schema is the newest one."""
    engine = make_engine(url, Role.COMMAND, application="labq restore scrub")
    try:
        watcher.phase("removing secrets")
        with engine.begin() as connection:
            for statement in _statements():
                connection.execute(text(statement))
        for table, column in _redacted():
            _redact(engine, table, column)
        watcher.phase("detaching the copy from jobs, devices and hosts")
        _detach(engine, By(ACTOR, now, WHY))
        watcher.phase("removing what is left of former rows")
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"TRUNCATE {_names(_emptied())}"))
            for name in (*_changed(), STATISTICS):
                connection.execute(text(f"VACUUM FULL {_names([name])}"))
    finally:
        engine.dispose()


def _tables() -> Mapping[str, Table]:
    return TABLES[0].metadata.tables


def _is_decided(table: str, column: str) -> bool:
    found = SECRETS.get(table, {})
    return found is EMPTIED or (isinstance(found, Mapping) and column in found)


def _emptied() -> list[str]:
    return [name for name, found in SECRETS.items() if found is EMPTIED]


def _decided() -> Iterator[tuple[str, Columns]]:
    for name, found in SECRETS.items():
        if isinstance(found, Mapping):
            yield name, found


def _changed() -> list[str]:
    """Return the tables some of whose values are replaced."""
    return [
        name
        for name, columns in _decided()
        if any(found is REDACTED or isinstance(found, Replaced) for found in columns.values())
    ]


def _statements() -> Iterator[str]:
    """Yield the statements that empty tables and replace whole columns."""
    yield f"TRUNCATE {_names(_emptied())}"
    for name, columns in _decided():
        values = [
            f"{_names([column])} = {found.expression}"
            for column, found in columns.items()
            if isinstance(found, Replaced)
        ]
        if values:
            yield f"UPDATE {_names([name])} SET {', '.join(values)}"  # noqa: S608 - names of our own


def _redacted() -> Iterator[tuple[Table, Column[str]]]:
    for name, columns in _decided():
        table = _tables()[name]
        yield from (
            (table, table.c[column]) for column, found in columns.items() if found is REDACTED
        )


def _redact(engine: Engine, table: Table, column: Column[str]) -> None:
    """Redact the texts of a column that may have a secret in them."""
    (key,) = table.primary_key
    query = select(key, column).where(cast(column, String).op("~*")(redaction.SUSPICIOUS))
    change = update(table).where(key == bindparam("key")).values({column: bindparam("fresh")})
    with engine.connect() as reader, engine.begin() as writer:
        rows = reader.execution_options(stream_results=True, yield_per=AT_ONCE).execute(query)
        for some in rows.partitions(AT_ONCE):
            values = [{"key": found, "fresh": redaction.redact(former)} for found, former in some]
            writer.execute(change, values)


def _detach(engine: Engine, by: By) -> None:
    """End all jobs, free all devices, retire all hosts: by the moves that labq makes itself."""
    with Session(engine) as session, session.begin():
        for name in session.scalars(select(Host.name).order_by(Host.name)).all():
            losses.give_up_host(session, name, WHY, by)
        held = select(Device.name).where(Device.run_id.is_not(None)).order_by(Device.name)
        for name in session.scalars(held).all():
            losses.release(session, name, by, force=True)
    waiting = select(Job.id).where(Job.state != JobState.FINISHED).order_by(Job.id).limit(AT_ONCE)
    while _finish_some(engine, waiting, by):
        pass
    with Session(engine) as session, session.begin():
        known = session.scalars(select(Host.name)).all()
        for host in transitions.lock(session, Host, known):
            if host.state is HostState.ONLINE:
                transitions.move_host(session, host, HostState.OFFLINE, by)
            if host.health is not HostHealth.RETIRED:
                transitions.set_host_health(session, host, HostHealth.RETIRED, by)


def _finish_some(engine: Engine, waiting: Select[int], by: By) -> bool:
    """Cancel some of the jobs that have no run any more; tell whether there were any."""
    with Session(engine) as session, session.begin():
        found = transitions.lock(session, Job, session.scalars(waiting).all())
        jobs.finish_waiting(session, found, by)
        return bool(found)


def _names(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
