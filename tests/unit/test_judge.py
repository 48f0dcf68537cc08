"""The judgement over reports: every clause of the rule for sending again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from labq.conductor.judge import Judge, Loss, Missing, Sending
from labq.domain.events import HoldState, Report, RunReport

SENT = "100-0"
SENDING = Sending(run=7, epoch=2, next=1, sent=SENT)
NEVER: set[str] = set()
QUEUED = {"7-2-3"}


def report(number: int = 1, *runs: RunReport, order: str = SENT, boot: str = "b") -> Report:
    return Report(
        boot=boot,
        number=number,
        sequence=0,
        order=order,
        generation="g",
        at=datetime(2026, 11, 20, tzinfo=UTC),
        version="1",
        runs=runs,
    )


def shown(**changes: Any) -> RunReport:
    values = {"run": 7, "epoch": 2, "next": 3, "state": HoldState.IDLE, "idle_ms": 500}
    return RunReport(**(values | changes))


def judge(report: Report, waiting: set[str] = NEVER, *, now: float = 0.0) -> list[Missing]:
    return Judge().judge(report, [SENDING], lambda: waiting, now)


def test_an_idle_run_is_sent_from_the_step_that_its_host_names() -> None:
    assert judge(report(1, shown())) == [Missing(7, 3, Loss.IDLE)]


@pytest.mark.parametrize("order", ["99-9", "0-0", "", "rubbish"])
def test_a_report_from_before_the_announcing_order_does_not_count(order: str) -> None:
    assert judge(report(1, shown(), order=order)) == []


@pytest.mark.parametrize("order", ["100-0", "100-1", "101-0", "1000-0"])
def test_a_report_at_or_past_the_announcing_order_counts(order: str) -> None:
    assert judge(report(1, shown(), order=order)) != []


def test_a_run_that_was_not_sent_yet_is_not_missing() -> None:
    unsent = Sending(run=7, epoch=2, next=1, sent=None)
    assert Judge().judge(report(1, shown()), [unsent], lambda: NEVER, 0.0) == []


@pytest.mark.parametrize("state", [HoldState.HELD, HoldState.WAITING, HoldState.HANDING])
def test_a_run_that_is_held_waiting_or_handing_is_not_missing(state: HoldState) -> None:
    assert judge(report(1, shown(state=state, idle_ms=900))) == []


def test_a_run_is_missing_only_after_half_a_second() -> None:
    assert judge(report(1, shown(idle_ms=499))) == []


def test_a_run_whose_message_is_in_the_queue_is_not_missing() -> None:
    assert judge(report(1, shown()), QUEUED) == []


def test_a_message_that_was_seen_is_lost_only_with_a_newer_report_half_a_second_later() -> None:
    judgement = Judge()
    assert judgement.judge(report(1, shown()), [SENDING], lambda: QUEUED, 10.0) == []
    assert judgement.judge(report(2, shown()), [SENDING], lambda: NEVER, 10.4) == []
    assert judgement.judge(report(1, shown()), [SENDING], lambda: NEVER, 11.0) == []
    assert judgement.judge(report(2, shown()), [SENDING], lambda: NEVER, 10.5) != []


def test_a_report_after_the_restart_of_a_bench_is_newer() -> None:
    judgement = Judge()
    assert judgement.judge(report(9, shown()), [SENDING], lambda: QUEUED, 10.0) == []
    again = report(1, shown(), boot="other")
    assert judgement.judge(again, [SENDING], lambda: NEVER, 10.5) != []


def test_the_queue_is_read_only_for_a_suspect() -> None:
    def fail() -> set[str]:
        raise AssertionError("the queue was read")

    held = report(1, shown(state=HoldState.HELD, idle_ms=0))
    assert Judge().judge(held, [SENDING], fail, 0.0) == []


def test_a_run_that_its_host_does_not_know_is_missing_after_a_newer_report() -> None:
    judgement = Judge()
    assert judgement.judge(report(1), [SENDING], lambda: NEVER, 0.0) == []
    assert judgement.judge(report(2), [SENDING], lambda: NEVER, 0.4) == []
    assert judgement.judge(report(3), [SENDING], lambda: NEVER, 0.6) == [
        Missing(7, 1, Loss.UNKNOWN)
    ]


def test_a_run_that_shows_up_again_was_not_missing() -> None:
    judgement = Judge()
    held = shown(state=HoldState.HELD, idle_ms=0)
    assert judgement.judge(report(1), [SENDING], lambda: NEVER, 0.0) == []
    assert judgement.judge(report(2, held), [SENDING], lambda: NEVER, 0.6) == []
    assert judgement.judge(report(3), [SENDING], lambda: NEVER, 0.7) == []


def test_a_run_at_an_older_epoch_has_missed_its_order_even_while_it_is_held() -> None:
    judgement = Judge()
    old = shown(epoch=1, state=HoldState.HELD, idle_ms=0)
    assert judgement.judge(report(1, old), [SENDING], lambda: NEVER, 0.0) == []
    assert judgement.judge(report(2, old), [SENDING], lambda: NEVER, 0.6) == [
        Missing(7, 1, Loss.BEHIND)
    ]


def test_a_run_sent_anew_is_judged_anew() -> None:
    judgement = Judge()
    assert judgement.judge(report(1), [SENDING], lambda: NEVER, 0.0) == []
    again = Sending(run=7, epoch=2, next=1, sent="101-0")
    assert judgement.judge(report(2, order="101-0"), [again], lambda: NEVER, 0.6) == []
