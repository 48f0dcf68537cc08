"""What a viewer of a lab is shown of its jobs by LAVA's XML-RPC, and by LAVA's addresses."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from typing import Any

from labq.web.lava.rpc import METHODS
from tests.integration.hidden_jobs import SUITE, HiddenLab, Kind, Place
from tests.integration.rpc_client import Rpc
from tests.integration.web_site import Site

WAITING, RUNNING, FAILED = ({kind} for kind in (Kind.WAITING, Kind.RUNNING, Kind.FAILED))
ALL = WAITING | RUNNING | FAILED
LONG_AGO = 60 * 24 * 365
LISTS: tuple[tuple[str, tuple[object, ...], set[Kind]], ...] = (
    ("scheduler.jobs.list", (), ALL),
    ("scheduler.jobs.list", (None, None, 0, 100, 0, True), ALL),
    ("scheduler.jobs.list", ("SUBMITTED",), WAITING),
    ("scheduler.jobs.list", ("running", "unknown"), RUNNING),
    ("scheduler.jobs.list", (None, "INCOMPLETE"), FAILED),
    ("scheduler.jobs.list", (None, None, 0, 25, LONG_AGO), FAILED),
    ("scheduler.jobs.list", ("RUNNING", None, 0, 100, None, False, 1), RUNNING),
    ("scheduler.jobs.queue", (), WAITING),
    ("scheduler.jobs.queue", (["shell"],), WAITING),
    ("scheduler.all_jobs", (), WAITING | RUNNING),
)
"""Lists of jobs, with the kinds that they show."""
OF_A_PLACE = (
    ("scheduler.get_recent_jobs_for_device", ("board-1", 100), Place.BOARD),
    ("scheduler.get_recent_jobs_for_device_type", ("shell", 100), Place.TYPE),
)
OF_A_DEVICE: Mapping[str, tuple[object, ...]] = {
    "scheduler.devices.list": (),
    "scheduler.devices.show": ("board-1",),
    "scheduler.all_devices": (),
    "scheduler.get_device_status": ("board-1",),
}
OF_A_JOB: Mapping[str, tuple[object, ...]] = {
    **dict.fromkeys(
        (
            *(f"scheduler.jobs.{name}" for name in ("show", "definition", "configuration", "logs")),
            *(f"scheduler.{name}" for name in ("job_details", "job_state", "job_health")),
            "scheduler.job_output",
            "results.get_testjob_metadata",
            *(f"results.get_testjob_results_{form}" for form in ("yaml", "csv")),
            *(f"results.get_testjob_suites_list_{form}" for form in ("yaml", "csv")),
        ),
        (),
    ),
    **dict.fromkeys(
        (f"results.get_testsuite_results_{form}" for form in ("yaml", "csv")), (SUITE,)
    ),
    "results.get_testsuite_results_count": (SUITE,),
    **dict.fromkeys(
        (f"results.get_testcase_results_{form}" for form in ("yaml", "csv")), (SUITE, "boots")
    ),
}
"""What is read of one job, with what else is asked for."""
OF_A_HIDDEN_JOB = tuple(
    f"scheduler.{name}" for name in ("cancel_job", "resubmit_job", "jobs.cancel", "jobs.resubmit")
)
"""What changes something: asked for where it is refused."""
WITHOUT_JOBS = {
    *("scheduler.submit_job", "scheduler.jobs.submit", "scheduler.jobs.validate"),
    *("scheduler.validate_yaml", "scheduler.pending_jobs_by_device_type"),
    *("scheduler.all_device_types", "scheduler.get_publisher_event_socket"),
    *("scheduler.get_device_type_by_alias", "scheduler.get_device_config"),
    *("scheduler.validate_pipeline_devices", "scheduler.put_into_maintenance_mode"),
    *("scheduler.put_into_online_mode", "scheduler.import_device_dictionary"),
    *("scheduler.export_device_dictionary", "results.make_custom_query"),
    *("results.run_query", "results.refresh_query"),
}
"""They tell of no job; methods of other nouns than jobs, results and devices do not either."""


def methods_without_a_check() -> set[str]:
    """Return the methods of jobs, results and devices that are asked for nowhere here."""
    asked = {
        *(name for name, *_ in LISTS),
        *(name for name, *_ in OF_A_PLACE),
        *OF_A_DEVICE,
        *OF_A_JOB,
        *OF_A_HIDDEN_JOB,
        *WITHOUT_JOBS,
    }
    nouns = ("scheduler.jobs.", "results.")
    ours = {
        method.name
        for method in METHODS
        if method.name.startswith(nouns) or method.name.count(".") == 1
    }
    return {name for name in ours if name.split(".")[0] != "system"} - asked


def check(lab: HiddenLab, site: Site, number: int | None) -> None:
    """Compare all that is shown with what the rule says."""
    call = Rpc(site, None if number is None else lab.people[number])
    for (name, arguments, kinds), value in zip(
        LISTS, _all(call, [(name, arguments) for name, arguments, _ in LISTS]), strict=True
    ):
        expected = lab.visible(number, kinds)
        assert lab.shown(str(value)) == expected, f"{name}{arguments}: {number}"
        assert len(value[0]) == len(expected), f"{name}{arguments}: {number}"
    _check_places(lab, call, number)
    for job in lab.jobs:
        _check_job(lab, call, number, job.id)
        _check_data(lab, site, number, job.id)
    every = [job.id for job in lab.jobs]
    if number is not None:
        seen = {str(job): job in lab.visible(number, ALL) for job in every}
        assert call("system.user_can_view_jobs", every) == seen


def _check_places(lab: HiddenLab, call: Rpc, number: int | None) -> None:
    running = [job for job in lab.jobs if job.draft.kind is Kind.RUNNING][-1:]
    knows = lab.knows(number, Place.BOARD)
    worked_for = {job.id for job in running if knows and lab.sees(number, job.draft)}
    for name, value in zip(OF_A_DEVICE, _all(call, list(OF_A_DEVICE.items())), strict=True):
        assert lab.shown(str(value)) == worked_for, f"{name}: {number}"
    for name, arguments, place in OF_A_PLACE:
        (value,) = _all(call, [(name, arguments)])
        expected = lab.visible(number, FAILED) if lab.knows(number, place) else set()
        assert lab.shown(str(value)) == expected, f"{name}: {number}"


def _check_job(lab: HiddenLab, call: Rpc, number: int | None, job: int) -> None:
    """Look at what is answered for a job that is seen, and for a hidden one."""
    is_seen = job in lab.visible(number, ALL)
    is_there = job in {one.id for one in lab.jobs if one.draft.kind in ALL}
    names = [*OF_A_JOB, *(() if is_seen else OF_A_HIDDEN_JOB)]
    asked = [(name, (job, *OF_A_JOB.get(name, ()))) for name in names]
    for name, value in zip(names, _all(call, asked), strict=True):
        code = value["faultCode"] if isinstance(value, dict) else 0
        where = f"{name}({job}) for {number}: {value}"
        if number is None and (name.startswith("results.") or name in OF_A_HIDDEN_JOB):
            assert code == 401, where
        elif is_seen:
            assert code in {0, 404}, where
        elif is_there:
            assert code == (401 if name.startswith("results.") else 403), where
            assert value["faultString"].count(str(job)) == 1, where
            assert "smoke" not in value["faultString"], where
        else:
            assert code == 404, where


def _check_data(lab: HiddenLab, site: Site, number: int | None, job: int) -> None:
    """Look at what a callback would say of a job, which comes gzipped."""
    answer = site.client.get(
        f"/scheduler/job/{job}/job_data", headers=dict(lab.headers(number)), buffered=True
    )
    if job in lab.visible(number, ALL):
        assert json.loads(gzip.decompress(answer.data))["id"] == job
    else:
        assert answer.status_code == 404


def _all(call: Rpc, asked: Sequence[tuple[str, tuple[object, ...]]]) -> Sequence[Any]:
    """Return the values of several calls, each in an array, or their faults."""
    found: Sequence[Any] = call(
        "system.multicall", [{"methodName": name, "params": list(given)} for name, given in asked]
    )
    return found
