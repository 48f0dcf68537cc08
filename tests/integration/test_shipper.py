"""What a host has under way in Redis stays bounded, however long the server is away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from labq import streams
from labq.bench import shipper as shipping
from labq.bench.outbox import Outbox
from labq.bench.shipper import Shipper
from labq.benchlink.records import Kind
from labq.domain.events import Report, ResultReported
from labq.domain.verdicts import Verdict
from tests.integration.bench_lab import until
from tests.integration.host_user import url_of_host

HOST = "ship-test"
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Dock:
    """A shipper with its outbox, and the Redis that it writes to."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.redis = redis.Redis.from_url(url, protocol=2)
        self.outbox = Outbox(folder / "outbox")
        self.shipper = Shipper(url_of_host(url, HOST), HOST, self.outbox)
        self._rounds = 0

    def add(self, case: str, details: dict[str, object] | None = None) -> None:
        event = ResultReported(
            run=1,
            epoch=1,
            step=1,
            at=AT,
            channel="main",
            offset=self.outbox.last + 1,
            line=1,
            suite="s",
            case=case,
            verdict=Verdict.PASS,
            details=details or {},
        )
        self.outbox.append(Kind.RESULT, event, {})
        self.outbox.show(self.outbox.last)

    def round(self) -> None:
        """Wait until the shipper has done one more round: its report came."""
        self._rounds += 1
        report = Report(
            boot="b",
            number=self._rounds,
            sequence=0,
            order="0-0",
            generation="",
            at=AT,
            version="1",
            runs=(),
        )
        self.shipper.report(report)
        until(lambda: self._last_report() == self._rounds)

    def batches(self) -> list[streams.ReceivedBatch]:
        return [
            streams.load_event_batch(fields[b"e"])
            for _, fields in self.redis.xrange(streams.up_stream(HOST))
            if b"e" in fields
        ]

    def forget(self, stream: str) -> None:
        self.redis.xtrim(stream, maxlen=0)

    def _last_report(self) -> int:
        found = [
            streams.load_report(fields[b"r"]).number
            for _, fields in self.redis.xrange(streams.up_stream(HOST))
            if b"r" in fields
        ]
        return max(found, default=0)


@pytest.fixture
def dock(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dock]:
    """Return a shipper that finds everything unconfirmed to be late."""
    monkeypatch.setattr(shipping, "RESEND_SECONDS", 0.0)
    dock = Dock(tmp_path, redis_url)
    dock.shipper.start()
    yield dock
    dock.shipper.stop(5)
    dock.redis.close()


def test_events_that_wait_in_redis_are_not_sent_again_and_lost_ones_are(dock: Dock) -> None:
    dock.add("one")
    for _ in range(4):
        dock.round()
    assert [batch.first for batch in dock.batches()] == [1]
    dock.forget(streams.up_stream(HOST))
    dock.shipper.wake()
    until(dock.batches)
    assert [batch.first for batch in dock.batches()] == [1]


def test_a_log_that_waits_in_redis_is_not_sent_again_and_a_lost_one_is(dock: Dock) -> None:
    (dock.folder / "journal").write_bytes(b"")
    (dock.folder / "log").write_bytes(b"line\n" * 100)
    dock.shipper.log_grew(1, dock.folder, 500)
    for _ in range(4):
        dock.round()
    assert dock.redis.xlen(streams.log_stream(HOST)) == 1
    dock.forget(streams.log_stream(HOST))
    dock.shipper.wake()
    until(lambda: dock.redis.xlen(streams.log_stream(HOST)))


def test_large_events_go_in_several_entries_that_the_server_takes(dock: Dock) -> None:
    for number in range(60):
        dock.add(f"case-{number}", {"text": "x" * 60_000})
    dock.shipper.wake()
    until(lambda: sum(len(batch.events) for batch in dock.batches()) == 60)
    entries = dock.redis.xrange(streams.up_stream(HOST))
    assert len(entries) > 3
    assert all(len(fields[b"e"]) <= shipping.BATCH_BYTES for _, fields in entries if b"e" in fields)
