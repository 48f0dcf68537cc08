"""Feeds of logs: one read for all, nobody waits for a slow one, nothing is missed."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from typing_extensions import override

from labq.blobs import Logs
from labq.services.job_log import LogState
from labq.stream.feeds import Feeds, LogFeed

RUN = 5
LINE = b'- {"dt": "x", "lvl": "target", "msg": "hello"}\n'


class CountedLogs(Logs):
    """Counts how often a file is read, and holds reads up while the gate is shut."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.reads = 0
        self.gate = threading.Event()
        self.gate.set()

    @override
    def read(self, run: int, offset: int, length: int) -> bytes:
        self.reads += 1
        assert self.gate.wait(10)
        return super().read(run, offset, length)


class Shelf:
    """A log on the disk, and what the database would say of it."""

    def __init__(self, folder: Path) -> None:
        self.logs = CountedLogs(folder)
        self.stored = 0
        self.is_complete = False
        self.feeds = Feeds(self.logs, self.find_state)

    def append(self, data: bytes) -> None:
        writer = self.logs.writer(RUN)
        writer.write(self.stored, data, 0)
        writer.close()
        self.stored += len(data)

    async def find_state(self, job: int) -> LogState:
        del job
        return LogState(
            run_id=RUN,
            stored_bytes=self.stored,
            stored_lines=0,
            is_over=self.is_complete,
            is_complete=self.is_complete,
        )


async def read_to(feed: LogFeed, end: int, offset: int = 0) -> bytes:
    """Follow as a connection does until `end`; return the text of all events."""
    texts = []
    while offset < end:
        changed = feed.changed
        frame = await feed.frame(offset)
        if frame is None:
            async with asyncio.timeout(10):
                await changed.wait()
            continue
        texts.append(frame.event)
        offset = frame.end
    return b"".join(texts)


def test_a_hundred_followers_cost_one_read_of_each_piece(tmp_path: Path) -> None:
    async def scene() -> None:
        shelf = Shelf(tmp_path)
        feeds = [await shelf.feeds.join(1) for _ in range(100)]
        assert len({id(feed) for feed in feeds}) == 1
        readers = [asyncio.ensure_future(read_to(feed, 10 * len(LINE))) for feed in feeds]
        for _ in range(10):
            shelf.append(LINE)
            before = shelf.logs.reads
            shelf.feeds.log_grew(f"{RUN}:{shelf.stored}")
            while shelf.logs.reads == before:
                await asyncio.sleep(0)
        texts = await asyncio.gather(*readers)
        assert len(set(texts)) == 1
        assert texts[0].count(b"hello") == 10
        assert shelf.logs.reads <= 10
        for feed in feeds:
            shelf.feeds.leave(feed)

    asyncio.run(scene())


def test_late_followers_share_the_pieces_read_before(tmp_path: Path) -> None:
    async def scene() -> None:
        shelf = Shelf(tmp_path)
        shelf.append(LINE * 20_000)
        first = await shelf.feeds.join(1)
        text = await read_to(first, shelf.stored)
        reads = shelf.logs.reads
        second = await shelf.feeds.join(1)
        assert await read_to(second, shelf.stored) == text
        assert shelf.logs.reads == reads

    asyncio.run(scene())


def test_a_reader_that_goes_away_does_not_take_the_piece_along(tmp_path: Path) -> None:
    async def scene() -> None:
        shelf = Shelf(tmp_path)
        shelf.append(LINE)
        feed = await shelf.feeds.join(1)
        leaver = asyncio.ensure_future(feed.frame(0))
        stayer = asyncio.ensure_future(feed.frame(0))
        await asyncio.sleep(0)
        leaver.cancel()
        frame = await stayer
        assert frame is not None
        assert frame.end == len(LINE)

    asyncio.run(scene())


def test_a_reader_that_shares_an_older_read_misses_nothing(tmp_path: Path) -> None:
    async def scene() -> None:
        shelf = Shelf(tmp_path)
        shelf.append(LINE[:10])
        feed = await shelf.feeds.join(1)
        shelf.logs.gate.clear()
        first = asyncio.ensure_future(feed.frame(0))
        await asyncio.sleep(0)
        shelf.append(LINE[10:])
        shelf.feeds.log_grew(f"{RUN}:{shelf.stored}")
        second = asyncio.ensure_future(feed.frame(0))
        await asyncio.sleep(0)
        shelf.logs.gate.set()
        for frame in await asyncio.gather(first, second):
            assert frame is not None
            assert frame.end == len(LINE)

    asyncio.run(scene())


def test_half_a_line_waits_for_its_rest_unless_the_log_is_complete(tmp_path: Path) -> None:
    async def scene() -> None:
        shelf = Shelf(tmp_path)
        shelf.append(LINE[:10])
        feed = await shelf.feeds.join(1)
        assert await feed.frame(0) is None
        shelf.append(LINE[10:] + LINE[:5])
        shelf.feeds.log_grew(f"{RUN}:{shelf.stored}")
        frame = await feed.frame(0)
        assert frame is not None
        assert frame.end == len(LINE)
        assert await feed.frame(frame.end) is None
        changed = feed.changed
        shelf.is_complete = True
        shelf.feeds.job_changed(1)
        async with asyncio.timeout(10):
            await changed.wait()
        last = await feed.frame(len(LINE))
        assert last is not None
        assert last.end == shelf.stored

    asyncio.run(scene())


def test_a_feed_is_forgotten_with_its_last_reader(tmp_path: Path) -> None:
    async def scene() -> None:
        shelf = Shelf(tmp_path)
        first, second = await shelf.feeds.join(1), await shelf.feeds.join(1)
        shelf.feeds.leave(first)
        assert await shelf.feeds.join(1) is second
        shelf.feeds.leave(second)
        shelf.feeds.leave(second)
        assert await shelf.feeds.join(1) is not second

    asyncio.run(scene())


def test_nonsense_from_the_database_is_passed_over(tmp_path: Path) -> None:
    async def scene() -> None:
        shelf = Shelf(tmp_path)
        shelf.append(LINE)
        feed = await shelf.feeds.join(1)
        for payload in ("", "x", "5", f"{RUN}:", f"{RUN}:-1", f"{RUN + 1}:99999999"):
            shelf.feeds.log_grew(payload)
        assert feed.state.stored_bytes == len(LINE)

    asyncio.run(scene())
