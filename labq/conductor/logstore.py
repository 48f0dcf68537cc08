"""The loop that stores logs: chunks at their offset, synced once a batch, committed, confirmed.

It shares nothing with the loop of events, so that a flood of lines never delays a state.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import replace

import redis
from sqlalchemy import select

from labq.blobs import Logs, LogWriter
from labq.conductor.lead import Lead
from labq.conductor.link import StreamEntries, read_streams, send_orders
from labq.domain.deadline import monotonic
from labq.domain.errors import InvalidInputError
from labq.domain.events import LogChunk
from labq.domain.orders import StoredOrder
from labq.models.host import Host
from labq.services import logs
from labq.services.logs import Stored
from labq.streams import load_log_chunk, log_stream, unpack_log

LINGER_SECONDS = 0.1
BLOCK_SECONDS = 1.0
HOSTS_SECONDS = 5.0
MOST_CHUNKS = 32
"""Of each host in one turn; chunks are at most 256 KiB of text."""
MOST_OPEN = 128
MOST_KNOWN = 1000
log = logging.getLogger(__name__)


class LogStore:
    """Stores the logs of all hosts for one term."""

    def __init__(self, lead: Lead, client: redis.Redis, files: Logs) -> None:
        self._lead = lead
        self._client = client
        self._files = files
        self._hosts: list[str] = []
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
        if not self._hosts:
            self._lead.stop.wait(BLOCK_SECONDS)
            return
        streams = {log_stream(host): host for host in self._hosts}
        found = read_streams(
            self._client,
            dict.fromkeys(streams, "0-0"),
            count=MOST_CHUNKS,
            wait_seconds=BLOCK_SECONDS,
        )
        for stream, entries in found:
            with self._lock:
                stored = self._store(streams[stream], entries)
            self._confirm(streams[stream], stored, entries[-1][0].decode())
        self._linger(found)

    def _linger(self, found: list[tuple[str, StreamEntries]]) -> None:
        """Let more chunks gather, for one sync and one commit, unless there is a backlog."""
        is_full = any(len(entries) >= MOST_CHUNKS for _, entries in found)
        if found and not is_full:
            self._lead.stop.wait(LINGER_SECONDS)

    def _list_hosts(self) -> None:
        if monotonic() - self._listed_at < HOSTS_SECONDS:
            return
        with self._lead.reading() as session:
            self._hosts = list(session.scalars(select(Host.name)))
        self._listed_at = monotonic()

    def _store(self, host: str, entries: StreamEntries) -> dict[int, int]:
        """Store a batch of one host; return the lengths to confirm."""
        chunks = [chunk for chunk in map(_readable, entries) if chunk]
        known = self._lookup(host, {chunk.run for chunk in chunks})
        grown: dict[int, Stored] = {}
        for chunk in chunks:
            before = grown.get(chunk.run) or known.get(chunk.run)
            if before and (after := self._append(before, chunk)):
                grown[chunk.run] = after
        self._commit(grown)
        return {run: stored.length for run, stored in {**known, **grown}.items()}

    def _confirm(self, host: str, stored: dict[int, int], last: str) -> None:
        """Tell the host what it may forget, and drop from Redis what was read."""
        orders = [
            (host, StoredOrder(run=run, length=length)) for run, length in sorted(stored.items())
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
        foreign = [run for run in runs if run not in found or found[run].host != host]
        for run in foreign:
            log.error("host %s sent log of run %d, which is not its own", host, run)
        return {run: stored for run, stored in found.items() if run not in foreign}

    def _append(self, before: Stored, chunk: LogChunk) -> Stored | None:
        """Write what of a chunk is new; None when that is nothing, or there is a gap before it."""
        try:
            data = unpack_log(chunk)
        except InvalidInputError as error:
            log.error("log of run %d at %d: %s", chunk.run, chunk.offset, error)  # noqa: TRY400
            return None
        fresh = data[before.length - chunk.offset :] if chunk.offset <= before.length else b""
        if not fresh:
            return None
        count = self._writer(chunk.run).write(before.length, fresh, before.lines)
        return replace(before, length=before.length + len(fresh), lines=before.lines + count)

    def _writer(self, run: int) -> LogWriter:
        writer = self._writers.pop(run, None) or self._files.writer(run)
        self._writers[run] = writer
        return writer

    def _commit(self, grown: dict[int, Stored]) -> None:
        """Sync, then store the lengths; what is not confirmed is sent again by its host."""
        if not grown:
            return
        for run in grown:
            self._writers[run].sync()
        with self._lead.transaction("log") as session:
            logs.extend(session, grown)
        self._known.update(grown)
        while len(self._writers) > MOST_OPEN:
            self._writers.popitem(last=False)[1].close()


def _readable(entry: tuple[bytes, dict[bytes, bytes]]) -> LogChunk | None:
    """Return the chunk in an entry; None for what is none."""
    try:
        return load_log_chunk(entry[1])
    except InvalidInputError as error:
        log.error("entry %s of a log stream: %s", entry[0].decode(), error)  # noqa: TRY400
        return None
