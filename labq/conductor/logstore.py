"""The loop that stores logs: chunks at their offset, synced once a batch, committed, confirmed.

It shares nothing with the loop of events, so that a flood of lines never delays a state. A host that
sends what cannot be stored has to wait, and no other.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import select

from labq.blobs import Logs, LogWriter
from labq.conductor.entries import shown
from labq.conductor.lead import Lead, is_outage
from labq.conductor.link import StreamEntries, mend, read_streams, send_orders
from labq.conductor.patience import Patience
from labq.conductor.said import take_said
from labq.domain.deadline import monotonic
from labq.domain.errors import InvalidInputError
from labq.domain.events import LogChunk
from labq.domain.orders import StoredOrder
from labq.domain.verdicts import Level
from labq.models.host import Host
from labq.services import logs, refusals, transitions
from labq.services.leader import LostLeadershipError
from labq.services.logs import Stored
from labq.services.refusals import Refused
from labq.streams import load_log_chunk, log_stream, unpack_log

LINGER_SECONDS = 0.1
BLOCK_SECONDS = 1.0
HOSTS_SECONDS = 5.0
MOST_CHUNKS = 32
"""Of each host in one turn; chunks are at most 256 KiB of text."""
MOST_OPEN = 128
MOST_KNOWN = 1000
MOST_LOG_BYTES = 2 * 1024**3
"""Of one run; the rest of a longer log is not kept, and a last line says so."""
FAILURE_PAUSE_SECONDS = 2.0
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Batch:
    """What becomes of the chunks of one turn: how far logs grew, are confirmed, what is refused.

    `said` is what tests of runs said to those who follow events.
    """

    known: dict[int, Stored]
    grown: dict[int, Stored] = field(default_factory=dict)
    confirmed: dict[int, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    said: list[tuple[int, str]] = field(default_factory=list)

    def find(self, run: int) -> Stored | None:
        """Return what is stored of a run of this host, None for others."""
        return self.grown.get(run) or self.known.get(run)


class LogStore:
    """Stores the logs of all hosts for one term."""

    def __init__(
        self, lead: Lead, client: redis.Redis, files: Logs, *, most_bytes: int = MOST_LOG_BYTES
    ) -> None:
        self._lead = lead
        self._client = client
        self._files = files
        self._most_bytes = most_bytes
        self._hosts: dict[str, Patience] = {}
        self._known: OrderedDict[int, Stored] = OrderedDict()
        self._writers: OrderedDict[int, LogWriter] = OrderedDict()
        self._listed_at = -HOSTS_SECONDS
        self._lock = threading.Lock()

    def run(self) -> None:
        """Work until the term ends; raises when the database, Redis or the disk fails."""
        try:
            while not self._lead.stop.is_set():
                self.turn()
        finally:
            for writer in self._writers.values():
                writer.close()

    def adopt(self, run: int, length: int) -> bool:
        """Put a packed log in its place, unless the log has grown past `length`; for another thread."""
        with self._lock:
            known = self._known.get(run)
            if known and known.length != length:
                return False
            if writer := self._writers.pop(run, None):
                writer.close()
            self._files.adopt(run)
            return True

    def turn(self) -> None:
        """Wait for chunks of any host, and store what came: what is stored is dropped from Redis."""
        self._list_hosts()
        now = monotonic()
        free = {log_stream(host): host for host, one in self._hosts.items() if one.is_free(now)}
        if not free:
            self._lead.stop.wait(BLOCK_SECONDS)
            return
        found = self._read(free)
        for stream, entries in found:
            self._take(free[stream], entries)
        self._linger(found)

    def _read(self, free: dict[str, str]) -> list[tuple[str, StreamEntries]]:
        start = dict.fromkeys(free, "0-0")
        try:
            return read_streams(self._client, start, count=MOST_CHUNKS, wait_seconds=BLOCK_SECONDS)
        except ResponseError as error:
            if not [host for host in free.values() if self._mend(host)]:
                raise RedisError(str(error)) from error
            return []

    def _take(self, host: str, entries: StreamEntries) -> None:
        """Store what one host sent; what goes wrong with it alone is no matter of the others."""
        patience = self._hosts[host]
        try:
            with self._lock:
                batch = self._store(host, entries)
            self._confirm(host, batch, entries[-1][0].decode())
            patience.spend(len(batch.refused), monotonic())
        except Exception as error:
            if isinstance(error, LostLeadershipError) or is_outage(error):
                raise
            if not (isinstance(error, ResponseError) and self._mend(host)):
                log.exception("the logs of host %s have to wait", host)
            patience.rest(FAILURE_PAUSE_SECONDS, monotonic())

    def _mend(self, host: str) -> bool:
        """Delete what a host has put in the place of its stream; it is left alone for a while."""
        wrong = mend(self._client, host)
        if wrong:
            reasons = [Refused(key, f"{key} is not what it should be: deleted") for key in wrong]
            self._note(host, reasons)
            self._hosts[host].rest(FAILURE_PAUSE_SECONDS, monotonic())
        return bool(wrong)

    def _linger(self, found: list[tuple[str, StreamEntries]]) -> None:
        """Let more chunks gather, for one sync and one commit, unless there is a backlog."""
        is_full = any(len(entries) >= MOST_CHUNKS for _, entries in found)
        if found and not is_full:
            self._lead.stop.wait(LINGER_SECONDS)

    def _list_hosts(self) -> None:
        if monotonic() - self._listed_at < HOSTS_SECONDS:
            return
        with self._lead.reading() as session:
            names = session.scalars(select(Host.name)).all()
        self._hosts = {name: self._hosts.get(name) or Patience() for name in names}
        self._listed_at = monotonic()

    def _store(self, host: str, entries: StreamEntries) -> _Batch:
        """Store a batch of one host."""
        chunks: list[LogChunk] = []
        refused: list[Refused] = []
        for _, fields in entries:
            try:
                chunks.append(load_log_chunk(fields))
            except InvalidInputError as error:
                refused.append(Refused(shown(fields), f"log chunk: {error}"))
        batch = _Batch(self._lookup(host, {chunk.run for chunk in chunks}), refused=refused)
        for chunk in chunks:
            self._store_chunk(host, batch, chunk)
        self._commit(batch.grown, batch.said)
        self._note(host, batch.refused)
        return batch

    def _store_chunk(self, host: str, batch: _Batch, chunk: LogChunk) -> None:
        before = batch.find(chunk.run)
        what = f"log of run {chunk.run} from {chunk.offset}"
        if before is None:
            batch.refused.append(Refused(what, f"host {host} has no run {chunk.run}: {what}"))
            return
        try:
            data = unpack_log(chunk)
        except InvalidInputError as error:
            batch.refused.append(Refused(what, f"{what}: {error}"))
            return
        length = before.length
        if length > self._most_bytes:
            # Full: the host may forget what follows, and is asked for nothing.
            length = max(chunk.offset + len(data), batch.confirmed.get(chunk.run, 0))
        elif after := self._append(before, chunk, data, batch.said):
            batch.grown[chunk.run], length = after, after.length
        batch.confirmed[chunk.run] = length

    def _note(self, host: str, refused: list[Refused]) -> None:
        if refused:
            log.error("host %s: %s", host, refused[-1].reason)
            with self._lead.transaction("reject") as session:
                refusals.note(session, host, refused, datetime.now(UTC))

    def _confirm(self, host: str, batch: _Batch, last: str) -> None:
        """Tell the host what it may forget, and drop from Redis what was read."""
        orders = [
            (host, StoredOrder(run=run, length=length))
            for run, length in sorted(batch.confirmed.items())
        ]
        send_orders(self._client, orders)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xtrim(log_stream(host), minid=last, approximate=False)
        pipeline.xdel(log_stream(host), last)
        pipeline.execute()

    def _lookup(self, host: str, runs: set[int]) -> dict[int, Stored]:
        """Return what is stored of these runs of the host.

        It is remembered, as nobody else writes it in this term.
        """
        unknown = runs - self._known.keys()
        if unknown:
            with self._lead.reading() as session:
                self._known.update(logs.lengths(session, unknown))
        found = {run: self._known.pop(run) for run in runs if run in self._known}
        self._known.update(found)
        while len(self._known) > max(MOST_KNOWN, len(found)):
            self._known.popitem(last=False)
        return {run: stored for run, stored in found.items() if stored.host == host}

    def _append(
        self, before: Stored, chunk: LogChunk, data: bytes, said: list[tuple[int, str]]
    ) -> Stored | None:
        """Write what of a chunk is new; None when that is nothing, or there is a gap before it."""
        fresh = data[before.length - chunk.offset :] if chunk.offset <= before.length else b""
        if not fresh:
            return None
        fresh, told = take_said(fresh)
        said += [(chunk.run, text) for text in told]
        room = self._most_bytes - before.length
        if len(fresh) > room:
            fresh = _ended(fresh, room, self._most_bytes)
        count = self._writer(chunk.run).write(before.length, fresh, before.lines)
        return replace(before, length=before.length + len(fresh), lines=before.lines + count)

    def _writer(self, run: int) -> LogWriter:
        writer = self._writers.pop(run, None) or self._files.writer(run)
        self._writers[run] = writer
        return writer

    def _commit(self, grown: dict[int, Stored], said: list[tuple[int, str]]) -> None:
        """Sync, then store the lengths; what is not confirmed is sent again by its host."""
        if not grown:
            return
        for run in grown:
            self._writers[run].sync()
        with self._lead.transaction("log") as session:
            logs.extend(session, grown)
            transitions.tell_said(session, said, datetime.now(UTC))
        self._known.update(grown)
        while len(self._writers) > MOST_OPEN:
            self._writers.popitem(last=False)[1].close()


def _ended(fresh: bytes, room: int, most: int) -> bytes:
    """Return the last bytes of a log that is too long: whole lines past the bound, and why."""
    end = fresh.find(b"\n", room)
    kept = fresh[: end + 1] if end >= 0 else fresh + b"\n"
    message = f"the log is longer than {most} bytes: what follows is not kept"
    words = {"dt": datetime.now(UTC).isoformat(), "lvl": Level.ERROR.value, "msg": message}
    return kept + b"- " + json.dumps(words).encode() + b"\n"
