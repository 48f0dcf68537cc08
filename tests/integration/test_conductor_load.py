"""Hosts that suffer, wait and are configured, as the conductor takes it from their reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure
from labq.domain.events import LoadReport, SlotReport, WaitReport
from labq.domain.orders import ConfigOrder
from labq.domain.states import DeviceHealth
from labq.models.run import RunPlan
from labq.services import host_config, host_view, job_view
from labq.services.host_config import ConfigChange
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    HOST,
    Lab,
    began,
    ended,
    eventually,
    failed,
)

LOAD = LoadReport(
    preset="baseline",
    cores=2,
    is_virtual=True,
    machine="abc",
    cpu=0.5,
    io=0.0,
    memory=0.0,
    swap=0.0,
    runnable=1.5,
    load=1.0,
)
SUFFERING = replace(LOAD, is_overloaded=True, reason="9 tasks want each CPU")
NO_PROMPT = Failure(type=ErrorType.INFRASTRUCTURE, message="no prompt")


def _host(lab: Lab) -> host_view.HostRow:
    with Session(lab.engine) as session:
        return host_view.find(session, lab.user, HOST)


def _configure(lab: Lab, **wanted: object) -> None:
    with Session(lab.engine) as session, session.begin():
        host_config.change(session, HOST, ConfigChange(**wanted))  # type: ignore[arg-type]  # fields by name


def _report_until(lab: Lab, look: Callable[[], bool], config: int = 0) -> None:
    """Report as a host does, again and again: news may be noted with the next report only."""

    def report_and_look() -> bool:
        lab.report(load=LOAD, config=config)
        return look()

    eventually(report_and_look, "what the reports say")


def _end_with(lab: Lab, suspect: str) -> int:
    """Run a job whose boot fails; return its id once it is over."""
    job = lab.submit()
    run = eventually(lambda: lab.sent_run(job), "sending").id
    failure = replace(
        failed(run, BOOT, COLLECT, NO_PROMPT), host_fault=bool(suspect), suspect=suspect
    )
    lab.send(began(run, BOOT), failure, began(run, COLLECT), ended(run, COLLECT, None))
    eventually(lambda: lab.is_finished(job), "the end")
    return job


def test_a_report_tells_that_a_host_suffers_and_that_it_is_over(lab: Lab) -> None:
    slots = {"boot": SlotReport(limit=3, used=2, waiting=1, reason="shrunk: 4 tasks", gap_ms=50)}
    with lab.conducting():
        lab.report(load=SUFFERING, slots=slots)
        eventually(lambda: _host(lab).is_overloaded, "the overload")
        shown = _host(lab)
        assert shown.overload_reason == "9 tasks want each CPU"
        assert shown.slots["boot"]["reason"] == "shrunk: 4 tasks"
        assert shown.load["runnable"] == 1.5
        _report_until(lab, lambda: not _host(lab).is_overloaded)


def test_a_host_of_an_older_version_that_tells_no_load_is_taken_as_it_is(lab: Lab) -> None:
    with lab.conducting():
        lab.report()
        eventually(lambda: _host(lab).reported_at, "the report")
    assert (_host(lab).is_overloaded, _host(lab).load, _host(lab).warnings) == (False, {}, ())


def test_a_configuration_is_sent_until_a_report_shows_it(lab: Lab) -> None:
    _configure(lab, preset="serial", limits={"boot": 3}, ceilings={"deploy": 2})
    wanted = ConfigOrder(revision=1, preset="serial", limits={"boot": 3}, ceilings={"deploy": 2})
    with lab.conducting():
        lab.report(load=LOAD)
        eventually(lambda: wanted in lab.orders(), "the order")
        _report_until(lab, lambda: _host(lab).config_seen == 1, config=1)
        _configure(lab, preset="own", limits={"boot": 0})
        again = ConfigOrder(revision=2, ceilings={"deploy": 2})
        eventually(lambda: again in lab.orders(), "the next order")


def test_a_failure_under_overload_is_flagged_and_not_held_against_the_board(lab: Lab) -> None:
    with lab.conducting():
        job = _end_with(lab, "the host was overloaded: 9 tasks want each CPU")
    run = lab.run_of(job)
    assert run is not None
    assert lab.step(run.id, BOOT).suspect == "the host was overloaded: 9 tasks want each CPU"
    assert run.is_host_fault
    assert lab.device().health is not DeviceHealth.BAD
    with Session(lab.engine) as session:
        shown = job_view.find(session, lab.user, job)
    assert shown.runs[0].steps[BOOT].suspect.startswith("the host was overloaded")


@pytest.mark.parametrize(
    ("suspect", "health"),
    [("the host was overloaded", DeviceHealth.GOOD), ("", DeviceHealth.UNKNOWN)],
)
def test_a_good_board_stays_good_only_when_its_host_suffered(
    lab: Lab, suspect: str, health: DeviceHealth
) -> None:
    with Session(lab.engine) as session, session.begin():
        session.merge(lab.device()).health = DeviceHealth.GOOD
    with lab.conducting():
        _end_with(lab, suspect)
    assert lab.device().health is health


def test_a_job_shows_what_its_run_waits_for(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        reason = "2 of 2 in use (at its start)"
        wait = WaitReport(run=run, queue="boot", ahead=3, waited_ms=12_000, reason=reason)
        lab.report(load=LOAD, waits=(wait,))

        def shown() -> job_view.JobView:
            with Session(lab.engine) as session:
                return job_view.find(session, lab.user, job)

        found = eventually(lambda: shown().slot_wait, "the wait")
        assert (found.queue, found.ahead, found.reason) == ("boot", 3, reason)
        assert found.waited_seconds >= 12.0
        _report_until(lab, lambda: shown().slot_wait is None)


def test_a_plan_has_the_timeouts_of_its_slow_host(lab: Lab) -> None:
    _configure(lab, timeout_scales={"boot": 3.0})
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
    with Session(lab.engine) as session:
        plan = json.loads(session.scalars(select(RunPlan.plan).where(RunPlan.run_id == run)).one())
    boot, test = plan["steps"][:2]
    assert boot["timeouts"]["scale"] == 3.0
    assert (boot["timeouts"]["block"], test["timeouts"]["block"]) == (3 * 120.0, 60.0)
    assert test["timeouts"].get("scale", 1.0) == 1.0


def test_a_report_with_a_number_that_is_none_is_set_aside(lab: Lab) -> None:
    with lab.conducting():
        lab.report(load=replace(LOAD, runnable=float("inf")))
        lab.report(load=LOAD)
        eventually(lambda: _host(lab).load, "the good report")
    assert _host(lab).load["runnable"] == 1.5
