"""What the server itself keeps of statements: pg_stat_statements and auto_explain, where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

MOST_SHOWN = 30
_FOUND = text("""
    SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements'),
           current_setting('auto_explain.log_min_duration', true),
           current_setting('track_io_timing')
""")
_TOP = text("""
    SELECT queryid::text, query, calls, total_exec_time, mean_exec_time, max_exec_time, rows,
           shared_blks_hit, shared_blks_read
      FROM pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
     ORDER BY total_exec_time DESC
     LIMIT :most
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatement:
    """A statement as the database server counted it; milliseconds and blocks of 8 KiB."""

    id: str
    text: str
    count: int
    ms: float
    mean_ms: float
    longest_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatistics:
    """What is there; for what is absent the text says so and what to do about it."""

    pg_stat_statements: str
    auto_explain: str
    track_io_timing: bool
    statements: tuple[ServerStatement, ...]


def find(session: Session, shorten: Callable[[str], str]) -> ServerStatistics:
    """Return what the server has counted."""
    has_extension, explain_ms, io_timing = session.execute(_FOUND).one()
    said, statements = _statements(session, shorten, has_extension=has_extension)
    return ServerStatistics(
        pg_stat_statements=said,
        auto_explain=_told_of_auto_explain(explain_ms),
        track_io_timing=io_timing == "on",
        statements=statements,
    )


def _statements(
    session: Session, shorten: Callable[[str], str], *, has_extension: bool
) -> tuple[str, tuple[ServerStatement, ...]]:
    if not has_extension:
        return (
            "absent: the server needs it in shared_preload_libraries, then CREATE EXTENSION",
            (),
        )
    try:
        with session.begin_nested():
            rows = session.execute(_TOP, {"most": MOST_SHOWN}).all()
    except DBAPIError as error:
        return f"present, but cannot be read: {str(error.orig).partition(chr(10))[0]}", ()
    return "present", tuple(
        ServerStatement(
            id=row[0] or "",
            text=shorten(row[1]),
            count=row[2],
            ms=row[3],
            mean_ms=row[4],
            longest_ms=row[5],
            rows=row[6],
            blocks_hit=row[7],
            blocks_read=row[8],
        )
        for row in rows
    )


def _told_of_auto_explain(explain_ms: str | None) -> str:
    if explain_ms is None:
        return "absent: the server needs it in shared_preload_libraries"
    if explain_ms == "-1":
        return "present, but auto_explain.log_min_duration is -1: nothing is logged"
    return f"present: plans of statements over {explain_ms} are in the database server's log"
