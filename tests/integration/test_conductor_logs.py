"""Logs of runs: a chunk is accepted only at the offset that is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.conductor.logstore import LogStore
from labq.conductor.packer import Packer
from labq.domain.orders import StoredOrder
from labq.models.run import Run
from labq.services import hosts
from labq.streams import log_entry, log_stream
from tests.integration.conductor_lab import HOST, Lab, eventually, whole_run


@pytest.fixture
def run(lab: Lab) -> int:
    """Return a run that was sent."""
    with lab.conducting():
        job = lab.submit()
        return eventually(lambda: lab.sent_run(job), "sending").id


@pytest.fixture
def store(lab: Lab) -> LogStore:
    """Return a log store that the test turns by hand."""
    return LogStore(lab.lead(), lab.client, _files(lab))


def test_chunks_are_stored_counted_and_confirmed(lab: Lab, run: int, store: LogStore) -> None:
    lab.log(run, 0, b"one\ntwo\n")
    lab.log(run, 8, b"thr")
    lab.log(run, 11, b"ee\n")
    store.turn()
    assert _files(lab).read(run, 0, 100) == b"one\ntwo\nthree\n"
    assert _stored(lab, run) == (14, 3)
    assert lab.orders()[-1] == StoredOrder(run=run, length=14)
    assert lab.client.xlen(log_stream(HOST)) == 0


def test_an_overlap_is_cut_and_a_repetition_is_confirmed_again(
    lab: Lab, run: int, store: LogStore
) -> None:
    lab.log(run, 0, b"one\n")
    lab.log(run, 0, b"one\ntwo\n")
    store.turn()
    assert _stored(lab, run) == (8, 2)
    lab.log(run, 0, b"one\n")
    store.turn()
    assert _stored(lab, run) == (8, 2)
    assert lab.orders()[-1] == StoredOrder(run=run, length=8)


def test_a_gap_is_refused_and_answered_with_what_is_stored(
    lab: Lab, run: int, store: LogStore
) -> None:
    lab.log(run, 0, b"one\n")
    lab.log(run, 8, b"three\n")
    store.turn()
    assert _stored(lab, run) == (4, 1)
    assert lab.orders()[-1] == StoredOrder(run=run, length=4)


def test_bytes_written_but_not_committed_are_written_again(
    lab: Lab, run: int, store: LogStore
) -> None:
    writer = _files(lab).writer(run)
    writer.write(0, b"one\ntorn", 0)
    writer.close()
    lab.log(run, 0, b"one\ntwo\n")
    store.turn()
    assert _files(lab).read(run, 0, 100) == b"one\ntwo\n"
    assert _stored(lab, run) == (8, 2)


def test_a_new_store_goes_on_where_the_last_one_stopped(
    lab: Lab, run: int, store: LogStore
) -> None:
    lab.log(run, 0, b"one\n")
    store.turn()
    lab.log(run, 0, b"one\ntwo\n")
    with Session(lab.engine) as session, session.begin():
        session.execute(text("UPDATE leader SET until = '-infinity'"))
    LogStore(lab.lead("second"), lab.client, _files(lab)).turn()
    assert _stored(lab, run) == (8, 2)


def test_a_host_cannot_write_another_hosts_log(lab: Lab, run: int) -> None:
    with Session(lab.engine) as session, session.begin():
        hosts.add(session, "other")
    store = LogStore(lab.lead(), lab.client, _files(lab))
    lab.client.xadd(log_stream("other"), log_entry(run, 0, b"forged\n"))
    lab.client.xadd(log_stream("other"), log_entry(987_654, 0, b"no such run\n"))
    store.turn()
    assert _stored(lab, run) == (0, 0)
    assert not lab.client.exists("other.orders")


@pytest.mark.parametrize(
    "fields",
    [
        {"x": b"1"},
        {"run": b"one", "offset": b"0", "data": b""},
        {"run": b"RUN", "offset": b"0", "data": b"no frame"},
        {"run": b"RUN", "offset": b"-5", "data": b""},
    ],
)
def test_garbage_is_passed_over(
    lab: Lab, run: int, store: LogStore, fields: dict[str, bytes]
) -> None:
    entry = {key: value.replace(b"RUN", b"%d" % run) for key, value in fields.items()}
    lab.client.xadd(log_stream(HOST), entry)
    lab.log(run, 0, b"one\n")
    store.turn()
    assert _stored(lab, run) == (4, 1)


def test_a_store_that_lost_the_lead_commits_nothing(lab: Lab, run: int, store: LogStore) -> None:
    lab.log(run, 0, b"one\n")
    with Session(lab.engine) as session, session.begin():
        session.execute(text("UPDATE leader SET term = term + 1"))
    with pytest.raises(Exception, match="term"):
        store.turn()
    assert _stored(lab, run) == (0, 0)
    assert lab.client.xlen(log_stream(HOST)) == 1


def test_the_log_of_a_run_that_ended_is_packed_and_late_bytes_unpack_it(lab: Lab, run: int) -> None:
    with lab.conducting():
        lab.log(run, 0, b"one\n" * 1000)
        lab.send(*whole_run(run))
        eventually(lambda: lab.run_by_id(run).ended_at, "the end")
        eventually(lambda: _stored(lab, run) == (4000, 1000), "the log")
    with Session(lab.engine) as session, session.begin():
        session.get_one(Run, run).ended_at = datetime.now(UTC) - timedelta(minutes=1)
    lead = lab.lead()
    store = LogStore(lead, lab.client, _files(lab))
    packer = Packer(lead, store, _files(lab))
    packer.pack_quiet()
    assert lab.log_of(run).is_packed
    assert _files(lab).read_lines(run, 999, 5, stored=4000) == [b"one"]
    lab.log(run, 4000, b"late\n")
    store.turn()
    assert not lab.log_of(run).is_packed
    assert _files(lab).read_lines(run, 999, 5, stored=4005) == [b"one", b"late"]
    packer.pack_quiet()
    assert _files(lab).read(run, 3996, 100) == b"one\nlate\n"


def _files(lab: Lab) -> Logs:
    return Logs(lab.settings.blobs)


def _stored(lab: Lab, run: int) -> tuple[int, int]:
    row = lab.log_of(run)
    return row.bytes, row.lines
