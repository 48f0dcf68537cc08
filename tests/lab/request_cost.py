"""What a request costs the database, whatever else the machine does: statements, rows, buffers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, event, text

from labq.services import prepared

_READS = ("SELECT", "WITH")
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Index Recheck")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request takes: statements, rows that scans read, buffers, bytes of the answer."""

    queries: int
    rows: int
    buffers: int
    bytes: int


@dataclass
class Meter:
    """The statements of an engine within the block of `metering`, with their values."""

    engine: Engine
    statements: list[tuple[str, Any, bool]] = field(default_factory=list)

    def read(self) -> tuple[int, int]:
        """Return rows that scans looked at and buffers, by running each query again under EXPLAIN."""
        rows = buffers = 0
        with self.engine.connect() as connection:
            for statement, values, is_prepared in self.statements:
                if statement.lstrip().upper().startswith(_READS):
                    run = as_prepared(connection, statement) if is_prepared else statement
                    asked = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {run}"
                    plan = connection.exec_driver_sql(asked, values).scalar_one()[0]["Plan"]
                    rows += _rows(plan)
                    buffers += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            connection.rollback()
        return rows, buffers


@contextmanager
def metering(engine: Engine) -> Iterator[Meter]:
    """Note all statements until the block is left."""
    meter = Meter(engine)

    def note(
        _connection: object, _cursor: object, statement: str, values: Any, context: Any, _many: bool
    ) -> None:
        meter.statements.append((statement, values, prepared.is_prepared(context)))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield meter
    finally:
        event.remove(engine, "before_cursor_execute", note)


def as_prepared(connection: Connection, statement: str) -> str:
    """Return what runs a statement with the plan that does for all values, prepared if need be."""
    form = prepared.prepared(statement)
    known = text("SELECT count(*) FROM pg_prepared_statements WHERE name = :name")
    if not connection.scalar(known, {"name": form.name}):
        connection.exec_driver_sql(form.prepare)
    return form.execute


def _rows(plan: Mapping[str, Any]) -> int:
    """Return the rows that the scans of a plan read, those that they threw away too."""
    below = sum(map(_rows, plan.get("Plans", ())))
    if not plan["Node Type"].endswith("Scan") or plan["Node Type"] == "Subquery Scan":
        return below
    each: float = plan["Actual Rows"] + sum(plan.get(name, 0) for name in _REMOVED)
    return below + round(each * int(plan["Actual Loops"]))
