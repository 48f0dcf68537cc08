"""`/`: what a lab admin wants to see first: alarms, the queue, failing devices, what runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labq.domain.states import DeviceHealth, JobState, Outcome
from labq.services import device_view, host_view, job_list, system
from labq.services.device_view import DeviceFilter, DeviceRow, DeviceTypeRow
from labq.services.job_list import JobFilter, JobRow
from labq.services.system import Load
from labq.web.endpoint import Call, Page
from labq.web.rendering import render

ACTIVE = (JobState.SCHEDULED, JobState.RUNNING, JobState.CANCELING)
TROUBLED = (DeviceHealth.BAD, DeviceHealth.LOOPING, DeviceHealth.MAINTENANCE)
MOST_ACTIVE = 15
MOST_FAILED = 8


def overview(call: Call) -> str:
    """Show the state of the lab."""
    load = system.find_load(call.session)
    types = device_view.find_types(call.session).items
    hosts = host_view.find_page(call.session).items
    return render(
        call,
        "overview.html",
        load=load,
        types=types,
        counts=_counts(types),
        hosts=hosts,
        alarms=list(_alarms(load)),
        troubled=list(_troubled(call)),
        active=_jobs(call, JobFilter(states=ACTIVE), MOST_ACTIVE),
        failed=_jobs(call, JobFilter(outcomes=(Outcome.INCOMPLETE,)), MOST_FAILED),
    )


def _jobs(call: Call, wanted: JobFilter, limit: int) -> tuple[JobRow, ...]:
    return job_list.find_page(call.session, call.viewer, wanted, limit=limit).items


def _counts(types: Iterable[DeviceTypeRow]) -> dict[str, int]:
    kinds = list(types)
    devices, fit = sum(kind.devices for kind in kinds), sum(kind.fit for kind in kinds)
    idle = sum(kind.idle for kind in kinds)
    return {"devices": devices, "idle": idle, "busy": fit - idle, "unfit": devices - fit}


def _alarms(load: Load) -> Iterator[str]:
    if load.rejected_events:
        yield f"{load.rejected_events} entries that hosts sent were refused: see the hosts' warnings."


def _troubled(call: Call) -> Iterator[DeviceRow]:
    for health in TROUBLED:
        wanted = DeviceFilter(health=health)
        yield from device_view.find_page(call.session, call.viewer, wanted).items


PAGES = (Page(path="/", run=overview),)
