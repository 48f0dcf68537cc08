"""A device that does not go off, or does not answer, is taken out before the next job gets it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labq.domain.errors import ErrorType, Failure
from labq.domain.events import StepEnded
from labq.domain.states import DeviceHealth, DeviceState, JobState, Outcome
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    Lab,
    began,
    eventually,
    failed,
    whole_run,
)

STUCK = "device board-1 does not go off: 'pdu state 4' says 'on', not 'off'"
FAILURE = Failure(type=ErrorType.INFRASTRUCTURE, message=STUCK)


def test_a_device_with_a_fault_is_bad_with_the_reason_and_gets_no_job(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        after = lab.submit()
        lab.send(*whole_run(run)[:-1], _closing(run, FAILURE))
        eventually(lambda: lab.is_finished(job), "the end")
        other = lab.submit()
    device = lab.device()
    assert (device.state, device.health) == (DeviceState.IDLE, DeviceHealth.BAD)
    assert device.health_reason == f"job {job}: {STUCK}"
    assert lab.job(job).outcome is Outcome.INCOMPLETE
    assert [lab.job(one).state for one in (after, other)] == [JobState.SUBMITTED] * 2


@pytest.mark.parametrize(
    "health", [DeviceHealth.MAINTENANCE, DeviceHealth.RETIRED, DeviceHealth.LOOPING]
)
def test_a_fault_takes_out_what_may_run_jobs_alone(lab: Lab, health: DeviceHealth) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.set_health(health)
        lab.send(began(run, BOOT), failed(run, BOOT, COLLECT, FAILURE), _closing(run, FAILURE))
        eventually(lambda: lab.is_finished(job), "the end")
    expected = DeviceHealth.BAD if health is DeviceHealth.LOOPING else health
    assert lab.device().health is expected


def test_a_fault_that_may_be_the_hosts_does_not_make_the_device_bad(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(*whole_run(run)[:-1], replace(_closing(run, FAILURE), host_fault=True))
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.device().health is DeviceHealth.UNKNOWN


def _closing(run: int, failure: Failure) -> StepEnded:
    return replace(failed(run, COLLECT, None, failure), device_fault=failure.message)
