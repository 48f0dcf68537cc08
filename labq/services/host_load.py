"""The load of hosts as their reports tell it: kept on the host's row, read for views."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.events import Report
from labq.models.base import Json
from labq.models.host import Host

MOST_WAITS = 200
MOST_PARTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotWait:
    """A run that waits for a slot of its host, with so many others before it."""

    queue: str
    ahead: int
    since: datetime
    waited_seconds: float
    reason: str


def note(host: Host, report: Report, now: datetime) -> None:
    """Note slots, load and waits of a report on the locked row of the host."""
    slots: Json = {name: asdict(slot) for name, slot in report.slots.items()}
    if slots != host.slots:
        host.slots = slots
    load: Json = asdict(report.load) if report.load else {}
    load["config"] = report.config
    load["waits"] = {
        str(wait.run): {
            "queue": wait.queue,
            "ahead": wait.ahead,
            "since": (now - timedelta(milliseconds=wait.waited_ms)).isoformat(),
            "reason": wait.reason,
        }
        for wait in report.waits[:MOST_WAITS]
    }
    load["parts"] = [asdict(part) for part in report.parts[:MOST_PARTS]]
    load["notices"] = list(report.notices[:MOST_PARTS])
    if load != host.load:
        host.load = load


def is_news(before: Report | None, report: Report) -> bool:
    """Tell whether a report should be noted sooner than others: overload, configuration, waits, version."""
    if before is None:
        return True
    is_upgraded = before.boot != report.boot
    return is_upgraded or _gist(before) != _gist(report)


def find_wait(session: Session, host: str, run: int) -> SlotWait | None:
    """Return what a run waits for on its host, None when it does not wait."""
    waits = Host.load["waits"][str(run)]
    row = session.execute(
        select(waits.label("wait"), func.clock_timestamp().label("now")).where(Host.name == host)
    ).one_or_none()
    if row is None or row.wait is None:
        return None
    since = datetime.fromisoformat(row.wait["since"])
    return SlotWait(
        queue=row.wait["queue"],
        ahead=row.wait["ahead"],
        since=since,
        waited_seconds=round(max(0.0, (row.now - since).total_seconds()), 1),
        reason=row.wait["reason"],
    )


def _gist(report: Report) -> tuple[object, ...]:
    is_overloaded = report.load is not None and report.load.is_overloaded
    preset = report.load.preset if report.load else ""
    waits = tuple((wait.run, wait.queue, wait.ahead) for wait in report.waits)
    return (
        is_overloaded,
        preset,
        report.config,
        waits,
        report.parts,
        report.notices,
        report.drained,
    )
