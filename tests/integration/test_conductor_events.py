"""Events of a host: applied once and in order, bad ones set aside while the rest applies."""

from __future__ import annotations

import time

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.events import EventBatch
from labq.domain.orders import AgainOrder, ConfirmOrder
from labq.domain.states import JobState, Outcome, StepState
from labq.models.control import RejectedEvent
from labq.models.result import TestCase
from labq.services import hosts
from labq.streams import EVENTS_FIELD, REPORT_FIELD, dump_event_batch, up_stream
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    HOST,
    TEST,
    Lab,
    began,
    ended,
    eventually,
    result,
    whole_run,
)

SECONDS_BETWEEN_REPORTS = 0.3


def test_events_sent_twice_are_applied_once_and_confirmed_again(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
        lab.send(*whole_run(run), first=1)
        eventually(lambda: lab.orders().count(ConfirmOrder(sequence=6)) == 2, "a second confirm")
    assert lab.host().sequence == 6
    assert _rejected(lab) == []


def test_a_gap_is_answered_by_again_and_nothing_past_it_is_applied(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        events = whole_run(run)
        lab.send(events[0])
        lab.send(*events[3:], first=4)
        eventually(lambda: AgainOrder(sequence=2) in lab.orders(), "the order again")
        assert lab.host().sequence == 1
        assert lab.step(run, TEST).state is StepState.WAITING
        lab.send(*events[1:], first=2)
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.COMPLETE


def test_batches_that_overlap_apply_what_is_new(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        events = whole_run(run)
        lab.send(*events[:4], first=1)
        lab.send(*events[2:], first=3)
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.host().sequence == 6


def test_an_event_that_does_not_fit_is_set_aside_and_the_others_are_applied(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        events = whole_run(run)
        lab.send(*events[:2], began(run, BOOT), began(999_999, BOOT), began(run, 77), *events[2:])
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.COMPLETE
    assert lab.host().sequence == 9
    reasons = _rejected(lab)
    assert len(reasons) == 3
    assert "cannot become running" in reasons[0]
    assert "no run 999999" in reasons[1]
    assert "no step 77" in reasons[2]


def test_text_that_the_database_cannot_hold_is_set_aside(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT), result(run, BOOT, "nul \0 byte"), result(run, BOOT, "good"))
        eventually(lambda: lab.host().sequence == 3, "the events")
    assert len(_rejected(lab)) == 1
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == ["good"]


def test_a_host_cannot_speak_of_another_hosts_run(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        hosts.add(session, "other")
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        batch = EventBatch(first=1, events=(began(run, BOOT),))
        lab.client.xadd(up_stream("other"), {EVENTS_FIELD: dump_event_batch(batch)})
        (reason,) = eventually(lambda: _rejected(lab), "a rejected event")
    assert "host other has no run" in reason
    assert lab.job(job).state is JobState.SCHEDULED


def test_an_event_of_an_epoch_that_was_never_sent_is_set_aside(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT, epoch=2))
        (reason,) = eventually(lambda: _rejected(lab), "a rejected event")
    assert "at epoch 1, the event at 2" in reason


def test_garbage_is_set_aside_and_the_stream_goes_on(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send_raw({EVENTS_FIELD: b"\xff\x00 not JSON"})
        lab.send_raw({REPORT_FIELD: b'{"boot": 1}'})
        lab.send_raw({"x": b"nothing known"})
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
    assert len(_rejected(lab)) == 3


def test_what_is_applied_leaves_redis(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        for event in whole_run(run):
            lab.send(event)
        eventually(lambda: lab.is_finished(job), "the end")

        reported_at = 0.0

        def trimmed() -> bool:
            nonlocal reported_at
            if time.monotonic() - reported_at > SECONDS_BETWEEN_REPORTS:
                lab.report()
                reported_at = time.monotonic()
            return lab.client.xlen(up_stream(HOST)) <= 2 and not lab.run_orders(run)

        eventually(trimmed, "trimming")


def test_results_of_an_older_epoch_are_not_counted(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT), ended(run, BOOT, TEST), began(run, TEST))
        eventually(lambda: lab.host().sequence == 3, "the events")
        lab.cancel(job)
        lab.send(result(run, TEST, "late", epoch=1), ended(run, TEST, COLLECT, epoch=1))
        eventually(lambda: lab.host().sequence == 5, "the late events")
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == []
    assert lab.step(run, TEST).state is StepState.RUNNING


def _rejected(lab: Lab) -> list[str]:
    with Session(lab.engine) as session:
        return list(session.scalars(select(RejectedEvent.reason).order_by(RejectedEvent.id)))
