"""Who may do what in PostgreSQL: readers with a bound on their connections, the conductor, the owner.

The conductor and the core workers act as the owner, for they make and drop partitions; they log in
under a name of their own, so that no reader's bound is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from labq.config import Settings
from labq.services.connections import Shares

WEB = "labq_web"
CONDUCTOR = "labq_conductor"
REPORT = "labq_report"
ROLES = (WEB, CONDUCTOR, REPORT)
SECRETS = ("token", "remote_token", "login")
"""Tables of which a report shows nothing."""


def statements(database: str, owner: str, shares: Shares) -> Iterator[str]:
    """Yield the SQL that makes the roles, or brings them up to date, in the database itself.

    To be run by a superuser once the schema is there; tables made later are covered.
    """
    for role in ROLES:
        yield (
            f"DO $$ BEGIN CREATE ROLE {role} LOGIN;"
            " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        )
        yield f"GRANT CONNECT ON DATABASE {_quoted(database)} TO {role}"
        yield f"GRANT USAGE ON SCHEMA public TO {role}"
    yield f"ALTER ROLE {WEB} CONNECTION LIMIT {shares.web}"
    yield f"ALTER ROLE {REPORT} CONNECTION LIMIT {shares.report}"
    yield from _rights(WEB, "SELECT, INSERT, UPDATE, DELETE", owner)
    yield from _rights(REPORT, "SELECT", owner)
    for table in SECRETS:
        yield f"REVOKE ALL ON {table} FROM {REPORT}"
    yield f"ALTER ROLE {REPORT} SET default_transaction_read_only = on"
    yield f"GRANT pg_read_all_stats TO {WEB}, {REPORT}"
    yield f"GRANT {_quoted(owner)} TO {CONDUCTOR}"
    yield f"ALTER ROLE {CONDUCTOR} IN DATABASE {_quoted(database)} SET role = {_quoted(owner)}"


def ensure(connection: Connection, shares: Shares) -> None:
    """Run the statements, when the one who is connected may."""
    row = connection.execute(
        text(
            "SELECT current_database(), current_user, rolsuper FROM pg_roles"
            " WHERE rolname = current_user"
        )
    ).one()
    database, owner, is_super = row
    if is_super:
        for statement in statements(database, owner, shares):
            connection.exec_driver_sql(statement)


def are_named(settings: Settings) -> bool:
    """Tell whether web, conductor and reports connect as roles of their own."""
    urls = (
        settings.database_web_url,
        settings.database_conductor_url,
        settings.database_report_url,
    )
    names = {make_url(url).username for url in urls if url}
    return len(names) == len(urls)


def _rights(role: str, rights: str, owner: str) -> Iterator[str]:
    later = f"ALTER DEFAULT PRIVILEGES FOR ROLE {_quoted(owner)} IN SCHEMA public GRANT"
    yield f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {role}"
    yield f"{later} {rights} ON TABLES TO {role}"
    if "INSERT" in rights:
        yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}"
        yield f"{later} USAGE, SELECT ON SEQUENCES TO {role}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
