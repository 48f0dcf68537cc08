"""`/`: what a lab admin wants to see first: alarms, the queue, failing devices, what runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy.orm import Session

from labq.domain.states import DeviceHealth, JobState, Outcome
from labq.services import device_view, host_view, job_list, system
from labq.services.database import unless_slow
from labq.services.device_view import DeviceFilter, DeviceRow, DeviceTypeRow
from labq.services.host_view import HostRow
from labq.services.job_list import ME, JobFilter, JobRow
from labq.services.system import Load
from labq.services.visibility import Viewer
from labq.web.endpoint import Call, Page
from labq.web.rendering import render

ACTIVE = (JobState.SCHEDULED, JobState.RUNNING, JobState.CANCELING)
TROUBLED = (DeviceHealth.BAD, DeviceHealth.LOOPING, DeviceHealth.MAINTENANCE)
MOST_ACTIVE = 15
MOST_FAILED = 8


@dataclass(frozen=True, slots=True)
class Lab:
    """What is the same for all who are in the same groups."""

    load: Load
    types: tuple[DeviceTypeRow, ...]
    hosts: tuple[HostRow, ...]
    troubled: tuple[DeviceRow, ...]


@dataclass(frozen=True, slots=True)
class Jobs:
    """The newest jobs at work, and the newest that ended incomplete."""

    active: tuple[JobRow, ...]
    failed: tuple[JobRow, ...]


def overview(call: Call) -> str:
    """Show the state of the lab; what takes too long is left out, and said to be."""
    lab = unless_slow(lambda: call.report("overview.lab", _lab))
    shared = unless_slow(lambda: call.report("overview.jobs", _jobs))
    jobs = unless_slow(lambda: _with_own(call, shared.value)) if shared else None
    return render(
        call,
        "overview.html",
        lab=lab.value if lab else None,
        counts=_counts(lab.value.types) if lab else {},
        alarms=list(_alarms(lab.value.load)) if lab else [],
        jobs=jobs,
        age_seconds=max((found.age_seconds for found in (lab, shared) if found), default=0.0),
    )


def _lab(session: Session, viewer: Viewer) -> Lab:
    return Lab(
        load=system.find_load(session),
        types=device_view.find_types(session, viewer).items,
        hosts=host_view.find_page(session, viewer).items,
        troubled=tuple(_troubled(session, viewer)),
    )


def _jobs(session: Session, viewer: Viewer, submitter: str | None = None) -> Jobs:
    active = JobFilter(states=ACTIVE, submitter=submitter)
    failed = JobFilter(outcomes=(Outcome.INCOMPLETE,), submitter=submitter)
    return Jobs(
        active=job_list.find_page(session, viewer, active, limit=MOST_ACTIVE).items,
        failed=job_list.find_page(session, viewer, failed, limit=MOST_FAILED).items,
    )


def _with_own(call: Call, shared: Jobs) -> Jobs:
    """Return the jobs with the viewer's own among them, which others may not see."""
    if call.viewer.is_anonymous or call.viewer.is_admin:
        return shared
    own = call.attempt(lambda session: _jobs(session, call.viewer, ME))
    return Jobs(
        active=_newest(shared.active, own.active, MOST_ACTIVE),
        failed=_newest(shared.failed, own.failed, MOST_FAILED),
    )


def _newest(shared: Iterable[JobRow], own: Iterable[JobRow], most: int) -> tuple[JobRow, ...]:
    rows = {row.id: row for row in (*shared, *own)}
    return tuple(rows[number] for number in sorted(rows, reverse=True)[:most])


def _counts(types: Iterable[DeviceTypeRow]) -> dict[str, int]:
    kinds = list(types)
    devices, fit = sum(kind.devices for kind in kinds), sum(kind.fit for kind in kinds)
    idle = sum(kind.idle for kind in kinds)
    return {"devices": devices, "idle": idle, "busy": fit - idle, "unfit": devices - fit}


def _alarms(load: Load) -> Iterator[str]:
    if load.rejected_events:
        yield f"{load.rejected_events} entries that hosts sent were refused: see the hosts' warnings."


def _troubled(session: Session, viewer: Viewer) -> Iterator[DeviceRow]:
    for health in TROUBLED:
        wanted = DeviceFilter(health=health)
        yield from device_view.find_page(session, viewer, wanted).items


PAGES = (Page(path="/", run=overview),)
