"""The text of logs: what a board says while it boots and tests, in labq's form, a line a record."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

from labq.blobs import Logs
from labq.fill import layout
from labq.fill.arrivals import MICROSECONDS
from labq.fill.book import Book
from labq.fill.layout import Part
from labq.fill.story import NOBODY

BYTES_OF_A_LINE = 118
_KERNEL = (
    "Booting Linux on physical CPU 0x0000000000 [0x410fd034]",
    "Machine model: {device}",
    "Zone ranges: DMA [mem 0x0000000000200000-0x00000000ffffffff]",
    "Kernel command line: console=ttyS0,115200n8 root=/dev/ram0 ip=dhcp earlycon",
    "Dentry cache hash table entries: 524288 (order: 10, 4194304 bytes, linear)",
    "rcu: Hierarchical RCU implementation.",
    "clocksource: arch_sys_counter: mask: 0xffffffffffffff max_cycles: 0x588fe9dc0",
    "pinctrl core: initialized pinctrl subsystem",
    "NET: Registered PF_NETLINK/PF_ROUTE protocol family",
    "cpuidle: using governor menu",
    "iommu: Default domain type: Translated",
    "usb 1-1: new high-speed USB device number 2 using xhci-hcd",
    "mmc1: new HS400 MMC card at address 0001",
    "rtc-hym8563 0-0051: registered as rtc0",
    "dwmmc_rockchip fe320000.mmc: IDMAC supports 32-bit address mode",
    "random: crng init done",
)
_BOOTLOADER = (
    "U-Boot SPL 2026.01 (Jan 05 2026 - 12:00:00 +0000)",
    "Trying to boot from MMC1",
    "NOTICE:  BL31: v2.12.0(release)",
    "DRAM:  4 GiB (effective 3.9 GiB)",
    "Net:   eth0: ethernet@fe300000",
    "Hit any key to stop autoboot",
    "TFTP from server {host}; our IP address is 10.0.0.42",
    "Loading: #################################################################",
)


def stored(book: Book) -> frozenset[int]:
    """Return the jobs whose logs have their bytes: those that run, the newest, and the long one."""
    story = book.story
    open_jobs = {word.job for word in story.devices if word.job != NOBODY and story.began[word.job]}
    over = (
        job
        for job in range(len(story))
        if story.began[job] and story.is_over(job) and story.has_run(job)
    )
    newest = heapq.nlargest(story.profile.logs, over)
    long_log = {story.long_log} - {NOBODY}
    return frozenset(open_jobs | set(newest) | long_log)


def size(book: Book, job: int, *, is_stored: bool) -> tuple[int, int]:
    """Return bytes and lines of a job's log; of one that is not stored as good as it would be."""
    lines = layout.total_lines(book, job)
    if is_stored:
        return len(text(book, job)), lines
    return lines * BYTES_OF_A_LINE + lines % 7 * 13, lines


def store(book: Book, logs: Logs, job: int) -> None:
    """Write a job's log to the disk; one that has ended is packed."""
    data, run = text(book, job), book.run(job)
    logs.remove(run)
    writer = logs.writer(run)
    try:
        writer.write(0, data, 0)
        writer.sync()
    finally:
        writer.close()
    if book.story.is_over(job) and logs.pack(run, len(data)):
        logs.adopt(run)


def text(book: Book, job: int) -> bytes:
    """Return a job's log."""
    story = book.story
    lines = layout.total_lines(book, job)
    began = story.began[job]
    ended = story.ended[job] or story.until
    every = max(1, (ended - began) // lines)
    messages = _messages(book, job)
    return b"".join(
        _line(began + at * every, level, message) for at, (level, message) in enumerate(messages)
    )


def _line(moment: int, level: str, message: str) -> bytes:
    """Return a line: `message` is JSON already."""
    at = datetime.fromtimestamp(moment / MICROSECONDS, UTC).isoformat(timespec="microseconds")
    return f'- {{"dt": "{at}", "lvl": "{level}", "msg": {message}}}\n'.encode()


def _messages(book: Book, job: int) -> Iterator[tuple[str, str]]:
    device = book.story.device[job]
    board = book.story.cast.boards[device]
    places = {"device": board.name, "host": book.story.cast.hosts[board.host]}
    for at in range(layout.boot_lines(book, job)):
        yield _boot_message(at, places)
    for part in layout.parts(book, job):
        if part.suite is not None:
            yield from _test_messages(book, job, part)
    for at in range(layout.CLOSING_LINES):
        yield "debug", json.dumps(f"collect: {places['device']}: {_CLOSING[at % len(_CLOSING)]}")


_CLOSING = ("power off", "console closed", "artifacts listed", "overlay removed")


def _boot_message(at: int, places: dict[str, str]) -> tuple[str, str]:
    if at == 0:
        return "info", json.dumps(f"run on {places['device']} of {places['host']}")
    if at < 40:
        return "debug", json.dumps(f"http-download: {at * 4} MiB of 160 MiB")
    if at < 40 + len(_BOOTLOADER):
        return "target", json.dumps(_BOOTLOADER[at - 40].format(**places))
    said = _KERNEL[at % len(_KERNEL)].format(**places)
    return "target", json.dumps(f"[{at / 61:12.6f}] {said}")


def _test_messages(book: Book, job: int, part: Part) -> Iterator[tuple[str, str]]:
    assert part.suite is not None
    names = layout.names_of(book, job, part.suite)
    for at in range(part.cases):
        name, verdict = layout.case_name(names, at), part.odd.get(at, "pass")
        yield from _case_messages(part.name, name, verdict, part.stride)


@lru_cache(maxsize=8192)
def _case_messages(suite: str, name: str, verdict: str, stride: int) -> tuple[tuple[str, str], ...]:
    """Return the lines of one case: as many as its suite gives each, the last one is its result."""
    said = [
        ("target", json.dumps(f"<LAVA_SIGNAL_STARTTC {name}>")),
        *(
            ("target", json.dumps(f"{name}: {number}: {_TESTING[number % len(_TESTING)]}"))
            for number in range(stride - 4)
        ),
        ("target", json.dumps(f"<LAVA_SIGNAL_ENDTC {name}>")),
        ("target", json.dumps(f"<LAVA_SIGNAL_TESTCASE TEST_CASE_ID={name} RESULT={verdict}>")),
        ("results", json.dumps({"definition": suite, "case": name, "result": verdict})),
    ]
    return tuple(said)


_TESTING = ("setting up", "running with 4 threads", "checking what came back", "cleaning up")
