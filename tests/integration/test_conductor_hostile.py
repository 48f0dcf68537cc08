"""A hostile host harms itself only: others' runs, events, logs and orders go on as if it were not."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import zstandard
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.conductor import guard
from labq.conductor.lead import is_passing
from labq.conductor.line import MOST_ENTRIES
from labq.conductor.link import connect
from labq.conductor.logstore import LogStore
from labq.conductor.uplink import Uplink
from labq.domain.errors import ErrorType, Failure
from labq.domain.orders import ConfirmOrder, StoredOrder
from labq.domain.states import JobState, Outcome
from labq.models.control import Refusal
from labq.models.partition import day_of
from labq.models.result import TestCase, TestSuite
from labq.services import refusals, results
from labq.streams import (
    EVENTS_FIELD,
    MOST_UP_BYTES,
    REPORT_FIELD,
    load_order,
    log_entry,
    log_stream,
    orders_stream,
    up_stream,
)
from tests.integration.conductor_lab import (
    BOOT,
    COLLECT,
    HOST,
    TEST,
    Lab,
    began,
    ended,
    eventually,
    failed,
    result,
    whole_run,
)
from tests.integration.hostile_host import EVIL, LAST_ID, Hostile


@pytest.fixture
def evil(lab: Lab) -> Hostile:
    """Return a hostile host beside the honest one."""
    return Hostile(lab)


@pytest.fixture
def run(lab: Lab) -> int:
    """Return a run that was sent."""
    with lab.conducting():
        job = lab.submit()
        return eventually(lambda: lab.sent_run(job), "sending").id


def test_forged_events_of_anothers_run_change_nothing(lab: Lab, evil: Hostile) -> None:
    bad = Failure(type=ErrorType.INFRASTRUCTURE, message="forged")
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(began(run, BOOT), ended(run, BOOT, TEST), began(run, TEST))
        eventually(lambda: lab.host().sequence == 3, "the events")
        evil.send(
            began(run, TEST, epoch=9),
            result(run, TEST, "forged"),
            failed(run, TEST, COLLECT, bad),
            failed(run, COLLECT, None, bad),
            began(2**62, BOOT),
        )
        evil.log(log_entry(run, 0, b"forged\n"))
        eventually(lambda: (evil.refusal() or Refusal(entries=0)).entries >= 6, "the refusals")
        lab.send(result(run, TEST, "honest"), *whole_run(run)[3:])
        lab.log(run, 0, b"honest\n")
        eventually(lambda: lab.is_finished(job), "the end")
        eventually(lambda: lab.log_of(run).bytes == 7, "the log")
    assert lab.job(job).outcome is Outcome.COMPLETE
    assert sorted(_cases(lab)) == ["honest", "job"]
    assert Logs(lab.settings.blobs).read(run, 0, 100) == b"honest\n"
    assert any(f"host {EVIL} has no run {run}" in reason for reason in evil.reasons())
    assert lab.host().reported_at is not None


def test_a_job_ends_promptly_beside_a_flood(lab: Lab, evil: Hostile) -> None:
    evil.flood(4000)
    evil.write({EVENTS_FIELD: b"x" * (MOST_UP_BYTES + 1)})
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        evil.send(*[result(run, TEST, f"{number}") for number in range(1000)])
        for event in whole_run(run):
            lab.send(event)
        eventually(lambda: lab.is_finished(job), "the end")
        eventually(evil.refusal, "the refusals")
    assert lab.job(job).outcome is Outcome.COMPLETE
    assert _refusal(lab, HOST) is None


def test_a_flood_is_read_slowly_while_others_are_read_at_once(
    lab: Lab, run: int, evil: Hostile
) -> None:
    uplink = Uplink(lab.lead(), lab.client)
    evil.flood(1000)
    first = eventually(lambda: uplink.turn() or evil.refusal(), "the first refusals").entries
    lab.send(began(run, BOOT))
    for number in range(2, 6):
        lab.send(result(run, BOOT, f"case-{number}", offset=number))
        eventually(lambda: uplink.turn() or lab.host().sequence == lab.sequence, "the event")
    assert eventually(evil.refusal, "the refusals").entries == first == MOST_ENTRIES


def test_of_what_is_refused_the_newest_is_kept_and_all_is_counted(
    lab: Lab, evil: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST_KEPT", 5)
    evil.flood(30)
    evil.write({"x": b"the last one"})
    with lab.conducting():
        eventually(lambda: (evil.refusal() or Refusal(entries=0)).entries == 31, "the count")
    assert len(evil.reasons()) == 5
    assert evil.reasons()[-1] == "neither events nor a report"


@pytest.mark.parametrize(
    "report",
    [
        b'{"boot": 1}',
        b'"version":"1\\u0000"',
        b'"order":"99999999999999999999999-0"',
        b'"runs":[{"run":1,"epoch":1,"next":99999999,"state":"idle"}]',
    ],
)
def test_a_report_that_cannot_be_kept_stops_nobody(lab: Lab, evil: Hostile, report: bytes) -> None:
    text = (
        b'{"boot":"b","number":1,"sequence":0,"order":"0-0","generation":"g",'
        b'"at":"2026-01-01T00:00:00Z","version":"1","runs":[],' + report + b"}"
    )
    with lab.conducting():
        evil.write({REPORT_FIELD: text})
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        evil.write({REPORT_FIELD: text})
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.COMPLETE


def test_keys_of_a_wrong_type_are_deleted_and_stop_nobody(lab: Lab, evil: Hostile) -> None:
    keys = (up_stream(EVIL), log_stream(EVIL), orders_stream(EVIL), f"{EVIL}.boot")
    with lab.conducting():
        for key in keys:
            evil.redis.delete(key)
            evil.redis.set(key, "not what it should be")
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.log(run, 0, b"honest\n")
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
        eventually(lambda: lab.log_of(run).bytes == 7, "the log")
        eventually(lambda: not any(evil.redis.exists(key) for key in keys[:2]), "the mending")
    assert any("not what it should be" in reason for reason in evil.reasons())


def test_a_host_that_spoils_its_orders_gets_a_new_stream(lab: Lab) -> None:
    lab.client.xadd(orders_stream(HOST), {"x": "1"}, id=LAST_ID)
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
        eventually(lambda: lab.run_orders(run.id), "the order")
        lab.client.delete(orders_stream(HOST))
        lab.client.set(orders_stream(HOST), "spoilt")
        lab.send(*whole_run(run.id))
        eventually(lambda: lab.is_finished(job), "the end")
        eventually(lambda: lab.client.type(orders_stream(HOST)) == b"stream", "a new stream")
    assert ConfirmOrder(sequence=6) in lab.orders()


def test_a_host_that_spoils_its_queue_keeps_nobody_from_being_sent(lab: Lab, evil: Hostile) -> None:
    lab.client.set(f"{HOST}.boot", "spoilt")
    with lab.conducting():
        job = lab.submit()
        eventually(lambda: lab.sent_run(job), "sending")
    assert lab.client.type(f"{HOST}.boot") == b"none"
    assert evil.refusal() is None


def test_an_id_at_the_end_of_time_blocks_its_own_host_alone(lab: Lab, evil: Hostile) -> None:
    evil.write({"x": b"1"}, identifier=LAST_ID)
    with lab.conducting():
        eventually(evil.refusal, "the refusal")
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")


def test_old_batches_and_jumps_of_the_sequence_change_nothing(lab: Lab, evil: Hostile) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        events = whole_run(run)
        lab.send(*events)
        eventually(lambda: lab.is_finished(job), "the end")
        for _ in range(50):
            lab.send(*events, first=1)
        lab.send(*events, first=2**63 - 4)
        evil.send(*events, first=2**62)
        order = ConfirmOrder(sequence=0)
        eventually(lambda: order in _orders(evil), "the answer")
        second = lab.submit()
        other = eventually(lambda: lab.sent_run(second), "sending").id
        lab.send(*whole_run(other))
        eventually(lambda: lab.is_finished(second), "the second end")
    assert lab.host().sequence == 12
    assert _refusal(lab, HOST) is None


def test_a_bad_event_among_good_ones_does_not_stop_its_host(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        events = whole_run(run)
        lab.send(*events[:3], result(run, TEST, "x" * 2000), result(run, TEST, "good"), *events[3:])
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.host().sequence == 8
    assert sorted(_cases(lab)) == ["good", "job"]
    assert "case: 2000 bytes" in eventually(lambda: _refusal(lab, HOST), "the refusal").reason


def test_a_clock_that_is_years_off_does_not_date_anything(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        far = datetime(2400, 1, 1, tzinfo=UTC)
        lab.send(*[replace(event, at=far) for event in whole_run(run)])
        eventually(lambda: lab.is_finished(job), "the end")
    step = lab.step(run, BOOT)
    assert step.began_at is not None
    assert abs(step.began_at - datetime.now(UTC)) < timedelta(days=1, minutes=1)


def test_a_run_with_too_many_results_fails_with_that_reason(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "MOST_RESULTS", 3)
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        events = whole_run(run)
        found = [result(run, TEST, f"case-{number}", offset=number) for number in range(5)]
        lab.send(*events[:3], *found, *events[3:])
        eventually(lambda: lab.is_finished(job), "the end")
    assert (lab.job(job).outcome, lab.job(job).error_type) == (Outcome.INCOMPLETE, ErrorType.TEST)
    assert "more than 3 results" in lab.job(job).error_message
    assert sorted(_cases(lab)) == ["case-0", "case-1", "case-2", "job"]


def test_a_value_that_is_too_large_for_an_index_is_not_tried_for_ever(lab: Lab) -> None:
    job = lab.submit()
    with Session(lab.engine) as session:
        day = day_of(lab.job(job).submitted_at)
        session.add(TestSuite(job_id=job, submitted_on=day, name=os.urandom(5000).hex()))
        with pytest.raises(OperationalError) as caught:
            session.flush()
    assert not is_passing(caught.value)
    assert lab.job(job).state is JobState.SUBMITTED


def test_chunks_that_cannot_be_stored_are_counted_and_others_are_stored(
    lab: Lab, run: int, evil: Hostile
) -> None:
    store = LogStore(lab.lead(), lab.client, Logs(lab.settings.blobs))
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    for fields in (
        {"run": b"%d" % run, "offset": b"0", "data": bomb},
        {"run": b"%d" % run, "offset": b"0", "data": bytes(400_000)},
        {"run": b"%d" % run, "offset": b"-1", "data": b""},
        log_entry(run, 0, b"forged\n"),
    ):
        evil.log(fields)
    lab.client.xadd(log_stream(HOST), {"run": b"%d" % run, "offset": b"0", "data": bomb})
    lab.log(run, 0, b"honest\n")
    store.turn()
    assert Logs(lab.settings.blobs).read(run, 0, 100) == b"honest\n"
    assert eventually(evil.refusal, "the refusals").entries == 4
    refusal = eventually(lambda: _refusal(lab, HOST), "the refusal")
    assert "50000000 bytes uncompressed" in refusal.reason
    assert lab.client.xlen(log_stream(EVIL)) == 0


def test_a_log_that_is_too_long_ends_with_the_reason_and_its_host_may_forget_the_rest(
    lab: Lab, run: int
) -> None:
    files = Logs(lab.settings.blobs)
    store = LogStore(lab.lead(), lab.client, files, most_bytes=100)
    lab.log(run, 0, b"a line of 20 bytes.\n" * 8)
    store.turn()
    kept = files.read(run, 0, 10_000)
    assert kept.startswith(b"a line of 20 bytes.\n" * 5 + b"a line of 20 bytes.\n- {")
    assert b"longer than 100 bytes: what follows is not kept" in kept
    assert lab.log_of(run).bytes == len(kept)
    lab.log(run, 160, b"more\n" * 1000)
    store.turn()
    assert files.read(run, 0, 10_000) == kept
    assert lab.orders()[-1] == StoredOrder(run=run, length=5160)


def test_a_stream_that_grows_without_bound_is_dropped_and_counted(
    lab: Lab, evil: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_WAITING", 10)
    evil.flood(11)
    with connect(lab.settings.redis_url) as client:
        (dropped,) = guard.bound(client, EVIL, (up_stream(EVIL), log_stream(EVIL)))
        assert guard.bound(client, EVIL, (up_stream(EVIL), log_stream(EVIL))) == []
    assert dropped.entries == 11
    assert f"waited in {up_stream(EVIL)}: all were dropped" in dropped.reason
    assert lab.client.xlen(up_stream(EVIL)) == 0


def test_a_stream_of_large_entries_is_dropped_by_its_size(
    lab: Lab, evil: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MOST_WAITING_BYTES", 1_000_000)
    evil.flood(5, size=400_000)
    with connect(lab.settings.redis_url) as client:
        (dropped,) = guard.bound(client, EVIL, (up_stream(EVIL),))
    assert dropped.entries == 5


def _orders(evil: Hostile) -> list[object]:
    entries = evil.redis.xrange(orders_stream(EVIL))
    return [load_order(fields[b"o"]) for _, fields in entries]


def _cases(lab: Lab) -> list[str]:
    with Session(lab.engine) as session:
        return list(session.scalars(select(TestCase.name)))


def _refusal(lab: Lab, host: str) -> Refusal | None:
    with Session(lab.engine) as session:
        return session.get(Refusal, host)
