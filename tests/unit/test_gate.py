"""The gate's decisions, one rule at a time and under any order of events."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from labq.bench.gate import MOST_LOST, Gate, RunGate, Waiter
from labq.domain.events import HoldState
from labq.domain.plan import Plan, PlanStep, PowerSpec, Queue, StepKind, Timeouts

KINDS = (StepKind.DEPLOY, StepKind.BOOT, StepKind.TEST, StepKind.COLLECT)


def a_plan(run: int, priority: int = 50) -> Plan:
    steps = tuple(
        PlanStep(
            index=index,
            kind=kind,
            queue=Queue(kind.value),
            name=kind.value,
            action=index,
            method="m",
            namespace="common",
            timeouts=Timeouts(block=1.0),
            deadline=1.0,
            restart_from=index,
        )
        for index, kind in enumerate(KINDS)
    )
    return Plan(
        run=run,
        job=run,
        host="h",
        device="d",
        device_type="t",
        locks=(),
        steps=steps,
        dictionary={},
        consoles=(),
        power=PowerSpec(kind="none"),
        job_deadline=10.0,
        priority=priority,
    )


def a_run(number: int = 1, priority: int = 50) -> RunGate:
    return RunGate(number, a_plan(number, priority), epoch=1, next=0, idle_since=0.0)


def a_waiter(connection: int, step: int = 0, epoch: int = 1, since: float = 0.0) -> Waiter:
    return Waiter(connection, epoch, step, since)


def test_an_unknown_run_waits_until_it_is_announced():
    gate = Gate()
    assert gate.register(1, a_waiter(7)) == ""
    assert gate.waiting() == []
    assert gate.announce(a_run()) == [a_waiter(7)]


def test_a_worker_that_left_before_the_order_came_does_not_wait():
    gate = Gate()
    gate.register(1, a_waiter(7))
    gate.leave(7, 0.0)
    assert gate.announce(a_run()) == []


@pytest.mark.parametrize(
    ("epoch", "step", "reason"),
    [(0, 0, "over"), (1, 1, "not the next"), (1, -1, "no step"), (2, 4, "no step")],
)
def test_what_does_not_fit_is_dropped_with_its_reason(epoch, step, reason):
    gate = Gate()
    gate.announce(a_run())
    assert reason in gate.register(1, a_waiter(7, step, epoch))


def test_a_second_message_of_a_step_that_is_waited_for_is_dropped():
    gate = Gate()
    gate.announce(a_run())
    assert gate.register(1, a_waiter(7)) == ""
    assert "already" in gate.register(1, a_waiter(8))


def test_a_higher_epoch_makes_the_waiter_stale_and_fences_the_hold():
    gate, run = Gate(), a_run()
    gate.announce(run)
    run.apply_begin("t", 0, 7)
    gate.register(1, a_waiter(8))
    fenced = run.apply_epoch(2, 3)
    assert fenced is not None
    assert [waiter.connection for _, waiter, _ in gate.stale()] == [8]
    assert run.waiter is None
    assert (run.epoch, run.next, run.hold) == (2, 3, None)
    assert not run.lost.get(0)


def test_waiting_is_ordered_by_priority_then_by_time():
    gate = Gate()
    for number, priority, since in ((1, 10, 0.0), (2, 90, 3.0), (3, 90, 2.0)):
        gate.announce(a_run(number, priority))
        gate.register(number, a_waiter(number, since=since))
    assert [run.run for run in gate.waiting()] == [3, 2, 1]


def test_a_step_keeps_dying_after_three_lost_begins_also_over_epochs():
    run = a_run()
    for epoch in range(2, 2 + MOST_LOST):
        assert not run.keeps_dying
        run.apply_begin("t", 0, 7)
        run.apply_lost()
        run.apply_epoch(epoch, 0)
    assert run.keeps_dying


def test_an_end_forgets_the_lost_begins():
    run = a_run()
    run.apply_begin("t", 0, 7)
    run.apply_lost()
    run.apply_begin("t", 0, 7)
    run.apply_end(0, 1)
    assert run.lost == {}


def test_a_failure_goes_to_collect_and_collect_closes():
    run = a_run()
    assert run.following(0, is_failed=False) == 1
    assert run.following(0, is_failed=True) == 3
    assert run.following(3, is_failed=True) is None


def test_handing_lasts_until_the_connection_closes():
    gate, run = Gate(), a_run()
    gate.announce(run)
    run.apply_begin("t", 0, 7)
    run.apply_end(0, 1)
    run.handing = 7
    assert gate.reports(1.0)[0].state is HoldState.HANDING
    assert gate.leave(7, 2.0) is None
    report = gate.reports(2.5)[0]
    assert (report.state, report.idle_ms, report.next) == (HoldState.IDLE, 500, 1)


def test_an_ended_run_is_shown_until_its_end_can_be_told_and_as_nobodys_to_send():
    gate, run = Gate(), a_run()
    gate.announce(run)
    for step in range(4):
        run.apply_begin("t", step, 7)
        run.apply_end(step, run.following(step, is_failed=False))
    assert run.is_closed
    assert gate.reports(1.0) == ()
    (shown,) = gate.reports(9.0, {run.run})
    assert (shown.run, shown.state) == (run.run, HoldState.HANDING)


class GateMachine(RuleBasedStateMachine):
    """Workers, orders and losses in any order."""

    connections = Bundle("connections")

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()
        self.last = 0
        self.epochs: dict[int, int] = {}
        self.ended: dict[int, list[tuple[int, int]]] = {}
        self.granted: list[tuple[int, int, int, int]] = []

    @rule(run=st.integers(1, 2))
    def announce(self, run: int) -> None:
        if run not in self.gate.runs:
            for waiter in self.gate.announce(a_run(run)):
                self.come(run, waiter)

    @rule(
        target=connections, run=st.integers(1, 2), epoch=st.integers(1, 4), step=st.integers(0, 3)
    )
    def message(self, run: int, epoch: int, step: int) -> int:
        self.last += 1
        self.come(run, a_waiter(self.last, step, epoch, float(self.last)))
        return self.last

    def come(self, run: int, waiter: Waiter) -> None:
        gate = self.gate.runs.get(run)
        if gate and waiter.epoch > gate.epoch and not gate.is_closed:
            gate.apply_epoch(waiter.epoch, waiter.step)
        self.gate.register(run, waiter)

    @rule(run=st.integers(1, 2), epoch=st.integers(1, 4), step=st.integers(0, 3))
    def order(self, run: int, epoch: int, step: int) -> None:
        gate = self.gate.runs.get(run)
        if gate and epoch > gate.epoch and not gate.is_closed:
            gate.apply_epoch(epoch, step)

    @rule()
    def grant(self) -> None:
        list(self.gate.stale())
        for gate in self.gate.waiting()[:1]:
            waiter = gate.waiter
            assert waiter is not None
            gate.waiter = None
            assert (waiter.epoch, waiter.step) == (gate.epoch, gate.next)
            gate.apply_begin(f"t{waiter.connection}", gate.next, waiter.connection)
            self.granted.append((gate.run, waiter.epoch, waiter.step, waiter.connection))

    @rule(connection=connections)
    def leave(self, connection: int) -> None:
        gate = self.gate.leave(connection, 0.0)
        if gate:
            gate.apply_lost()

    @rule(run=st.integers(1, 2), is_failed=st.booleans())
    def end(self, run: int, is_failed: bool) -> None:
        gate = self.gate.runs.get(run)
        if gate and gate.hold:
            step = gate.hold.step
            self.ended.setdefault(run, []).append((gate.epoch, step))
            gate.handing = gate.hold.connection
            gate.apply_end(step, gate.following(step, is_failed=is_failed))

    @invariant()
    def epochs_never_go_back(self) -> None:
        for run, gate in self.gate.runs.items():
            assert gate.epoch >= self.epochs.get(run, 0)
            self.epochs[run] = gate.epoch

    @invariant()
    def no_step_ends_twice_in_an_epoch(self) -> None:
        for ends in self.ended.values():
            assert len(ends) == len(set(ends))

    @invariant()
    def nothing_is_held_in_an_ended_run(self) -> None:
        assert not any(gate.is_closed and gate.hold for gate in self.gate.runs.values())

    @invariant()
    def nothing_is_granted_more_than_three_times_without_an_end(self) -> None:
        for gate in self.gate.runs.values():
            assert all(0 <= count <= MOST_LOST for count in gate.lost.values())


TestGateMachine = GateMachine.TestCase
TestGateMachine.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
