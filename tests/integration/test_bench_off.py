"""A board that does not go off, or does not answer, is told to the server with the end of its run."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from labq.domain.errors import InfrastructureError
from labq.domain.plan import ConsoleSpec, Plan, PowerSpec, StepKind
from tests.integration.bench_lab import Lab, a_lab, a_plan, a_step, until


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def test_a_board_whose_power_command_fails_is_a_fault_of_the_device(lab: Lab) -> None:
    tries = lab.folder / "tries"
    off = (f"echo x >> {tries}; echo the outlet is stuck; exit 3",)
    with pytest.raises(InfrastructureError, match="the outlet is stuck"):
        _collect(lab, _plan(off=off))
    assert tries.read_text().split() == ["x", "x", "x"]
    assert "the outlet is stuck" in _fault(lab)


def test_what_works_when_it_is_tried_again_is_no_fault(lab: Lab) -> None:
    tried = lab.folder / "tried"
    _collect(lab, _plan(off=(f"test -e {tried} || {{ touch {tried}; exit 3; }}",)))
    assert _fault(lab) == ""


def test_a_board_that_its_outlet_says_is_still_on_is_a_fault(lab: Lab) -> None:
    state = {"state": "echo outlet 4 is on", "state_off": "is off"}
    with pytest.raises(InfrastructureError, match="device-1 does not go off"):
        _collect(lab, _plan(**state), timeouts={"power-off": 0.5})
    assert "'outlet 4 is on', not 'is off'" in _fault(lab)


def test_a_board_that_goes_off_a_moment_later_is_off(lab: Lab) -> None:
    count = lab.folder / "count"
    state = f"echo x >> {count}; test $(wc -l < {count}) -ge 3 && echo outlet 4 is off || echo on"
    _collect(lab, _plan(state=state, state_off="is off"))
    assert _fault(lab) == ""


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_port_that_needs_power_has_to_go_with_it(lab: Lab, *, is_gone: bool) -> None:
    port = lab.folder / "port"
    port.touch()
    console = ConsoleSpec(channel="main", kind="url", url=str(port), needs_power=True)
    plan = replace(_plan(off=(f"rm {port}" if is_gone else "true",)), consoles=(console,))
    if is_gone:
        _collect(lab, plan, timeouts={"power-off": 0.5})
        assert _fault(lab) == ""
        return
    with pytest.raises(InfrastructureError, match="does not go off"):
        _collect(lab, plan, timeouts={"power-off": 0.5})
    assert f"{port} is there, which needs its power" in _fault(lab)


def test_a_power_command_that_hangs_is_killed_with_its_group(lab: Lab) -> None:
    with pytest.raises(InfrastructureError, match="took too long"):
        _collect(lab, _plan(off=("sleep 1000 & wait",)), timeouts={"power-off": 0.2})
    assert "took too long" in _fault(lab)


def test_a_console_that_cannot_be_opened_is_a_fault_until_it_can(lab: Lab) -> None:
    path = lab.folder / "nobody"
    console = ConsoleSpec(channel="main", kind="url", url=f"unix://{path}")
    lab.announce(replace(_plan(), consoles=(console,)))
    boot = lab.step(1, 0)
    with pytest.raises(InfrastructureError, match="cannot open console"):
        boot.console()
    boot.release()
    _collect(lab, _plan())
    assert "cannot open console" in _fault(lab)


def test_the_bench_tells_of_the_fault_when_it_does_the_clean_up_itself(lab: Lab) -> None:
    lab.announce(_plan(off=("exit 3",)), following=2)
    for _ in range(3):
        lab.step(1, 2).release()
    until(lambda: lab.of_kind(1, "ended"))
    assert "ended with 3" in _fault(lab)


def test_a_host_that_is_stopped_says_that_failures_are_its_own(lab: Lab) -> None:
    lab.announce(_plan())
    lab.step(1, 0)
    lab.bench.send_signal(signal.SIGTERM)
    lab.bench.wait(10)
    until(lambda: len(lab.of_kind(1, "ended")) == 2)
    first, last = lab.of_kind(1, "ended")
    assert (first.host_fault, first.failure.message) == (True, "the host was stopped")
    assert (last.next, last.device_fault) == (None, "")


def _plan(off: tuple[str, ...] = ("true",), **changes: str) -> Plan:
    power = PowerSpec(kind="command", on=("true",), off=off, **changes)
    return a_plan(1, power=power)


def _collect(lab: Lab, plan: Plan, timeouts: dict[str, float] | None = None) -> None:
    """Do the last step of a run: switch off, and end it whatever comes of that."""
    *before, last = plan.steps
    last = a_step(
        last.index, StepKind.COLLECT, timeouts=replace(last.timeouts, actions=timeouts or {})
    )
    epoch = 2
    lab.announce(replace(plan, steps=(*before, last)), epoch=epoch, following=last.index)
    collect = lab.step(1, last.index, epoch)
    try:
        collect.power.off()
    finally:
        collect.end()
        collect.release()


def _fault(lab: Lab) -> str:
    def closed() -> list[str] | None:
        ends = [event for event in lab.of_kind(1, "ended") if event.next is None]
        return [event.device_fault for event in ends] or None

    (fault,) = until(closed)
    return fault
