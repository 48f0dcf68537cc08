"""How many flashes fail with labq's limit and pin, with eight clients at once, and with one alone.

Virtual boards drop the link after 20 ms without data, and run before all else where the kernel lets
them: only the client's side stalls. Limited flashes take labq's way: grant of the bench, its core,
its launcher. The others are plain clients.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from labq.bench.cores import usable_cores
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.plan import ConsoleSpec, Queue, StepKind
from labq.supervisor import redis as redis_server
from labq.supervisor.programs import cache_folder
from labq.supervisor.virtual import loopback_address, with_cached_programs
from tests.benchmarks.figures import Figure, median, say
from tests.integration.bench_lab import Lab, a_lab, a_plan, a_step
from tests.lab.waiting import until

BOARDS = 8
ROUNDS = 26
PAIR_ROUNDS = 40
IMAGE_BYTES = 96 * 1024 * 1024
SILENCE_MS = 20
PATIENCE_SECONDS = 3.0
HOGS = 2
"""One for each core of the machine that the figures are for."""

Flash = Callable[[int], bool]
"""Flash a board by its number; tell whether that went well."""


@dataclass(frozen=True, slots=True)
class Round:
    """Flashes that began at the same time: how many failed, and when the last one was over."""

    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Arm:
    """One way of flashing: `rounds` times so many at once."""

    name: str
    at_once: int
    rounds: int
    flash: Flash

    def run(self) -> list[Round]:
        """Flash; the rounds take turns over the boards."""
        return [
            _at_once(self.flash, [(turn + one) % BOARDS for one in range(self.at_once)])
            for turn in range(self.rounds)
        ]


def measure(folder: Path) -> Iterator[Figure]:
    """Measure all arms without and with hogs."""
    os.environ["PATH"] = with_cached_programs(os.environ["PATH"], cache_folder())
    image = folder / "image"
    image.write_bytes(random.Random(1).randbytes(IMAGE_BYTES))
    with _boards(folder) as addresses, _host(folder) as lab:
        gates = {number: _Gate(lab, number, addresses[number], image) for number in range(BOARDS)}
        plain = _plain(addresses, image)
        for load in (0, HOGS):
            with _hogs(load):
                yield from _arms("hogs" if load else "quiet", gates, plain)


def _arms(load: str, gates: dict[int, _Gate], plain: Flash) -> Iterator[Figure]:
    def _limited(board: int) -> bool:
        return gates[board].flash()

    arms = (
        Arm("alone", 1, ROUNDS * BOARDS, plain),
        Arm("eight", BOARDS, ROUNDS, plain),
        Arm("limited", BOARDS, ROUNDS, _limited),
    )
    shares: dict[str, float] = {}
    for arm in arms:
        rounds = arm.run()
        total = arm.at_once * arm.rounds
        shares[arm.name] = 100 * sum(one.failed for one in rounds) / total
        middle = median([one.seconds for one in rounds])
        say(f"{load} {arm.name}: {shares[arm.name]:.1f} % failed, {middle:.3f} s a round")
        name = f"fastboot_limit.failed_{arm.name}_{load}"
        yield Figure(name, round(shares[arm.name], 2), f"% of {total} flashes", "no goal")
        if arm.name == "limited":
            yield _time(load, middle, _limited)
    above = shares["limited"] - shares["alone"]
    name = f"fastboot_limit.above_alone_{load}"
    yield Figure(name, round(above, 2), "percentage points", "at most 1")


def _time(load: str, eight: float, limited: Flash) -> Figure:
    """Compare eight flashes with four times as many as there are cores."""
    cores = len(usable_cores())
    pairs = Arm("pair", cores, PAIR_ROUNDS, limited).run()
    pair = median([one.seconds for one in pairs])
    return Figure(
        f"fastboot_limit.time_{load}",
        round(eight / (BOARDS / cores * pair), 3),
        f"times {BOARDS / cores:g} rounds of {cores}",
        "at most 1.15",
    )


class _Gate:
    """One board's flashes by the bench: each is a run of its own with one granted step."""

    def __init__(self, lab: Lab, board: int, address: str, image: Path) -> None:
        self._lab = lab
        self._run = 1000 * (board + 1)
        self._board = board
        self._argv = _argv(address, image)
        self._announce()

    def flash(self) -> bool:
        """Wait for the grant and flash; the next run is announced in time for the next flash."""
        session = self._lab.step(self._run, 0)
        try:
            done = session.run(self._argv, Deadline.after(PATIENCE_SECONDS)).returncode == 0
        except InfrastructureError:
            done = False
        session.end()
        session.release()
        collect = self._lab.step(self._run, 1)
        collect.end()
        collect.release()
        self._announce()
        return done

    def _announce(self) -> None:
        self._run += 1
        steps = (
            a_step(0, StepKind.DEPLOY, queue=Queue.FASTBOOT),
            a_step(1, StepKind.COLLECT),
        )
        consoles = (ConsoleSpec(channel="main", kind="pty", command="true"),)
        # Each run has its device: the end of one is no part of the next one's time.
        self._lab.announce(a_plan(self._run, steps=steps, consoles=consoles))


def _at_once(flash: Flash, boards: Sequence[int]) -> Round:
    """Flash boards, all from the same moment on."""
    together = threading.Barrier(len(boards) + 1)
    done: list[bool] = []
    over: list[float] = []

    def _one(board: int) -> None:
        together.wait()
        done.append(flash(board))
        over.append(time.monotonic())

    threads = [threading.Thread(target=_one, args=(board,)) for board in boards]
    for thread in threads:
        thread.start()
    together.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    assert len(done) == len(boards), "a flash ended by an error"
    return Round(done.count(False), max(over) - began)


def _plain(addresses: Sequence[str], image: Path) -> Flash:
    """Return what runs the bare client, under a time limit and nothing else."""

    def _flash(board: int) -> bool:
        with subprocess.Popen(
            _argv(addresses[board], image),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as client:
            try:
                return client.wait(PATIENCE_SECONDS) == 0
            except subprocess.TimeoutExpired:
                os.killpg(client.pid, signal.SIGKILL)
                return False

    return _flash


def _argv(address: str, image: Path) -> tuple[str, ...]:
    return ("fastboot", "-s", f"tcp:{address}", "flash", "rootfs", str(image))


@contextmanager
def _boards(folder: Path) -> Iterator[list[str]]:
    addresses = [loopback_address(folder, number) for number in range(BOARDS)]
    words = ("--realtime", "--discard", "--max-download", str(IMAGE_BYTES))
    words = (*words, "--drop-after-ms", str(SILENCE_MS))
    with ExitStack() as stack:
        for number, address in enumerate(addresses):
            place = ("--address", address, "--folder", str(folder / f"board-{number}"))
            stack.enter_context(_program("-I", "-m", "labq.virtual.fastboot_board", *place, *words))
        until(lambda: all(_listens(folder, number) for number in range(BOARDS)), "boards listen")
        yield addresses


def _listens(folder: Path, number: int) -> bool:
    return (folder / f"board-{number}" / "sessions").exists()


@contextmanager
def _hogs(count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(_program("-c", "while True: pass"))
        yield


@contextmanager
def _program(*words: str) -> Iterator[None]:
    process = subprocess.Popen(
        (sys.executable, *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _host(folder: Path) -> Iterator[Lab]:
    """Run a bench with its Redis."""
    (folder / "redis").mkdir()
    (folder / "host").mkdir()
    server = redis_server.prepare(folder / "redis")
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(server.argv, cwd=server.folder, stdout=log, stderr=log)
    try:
        until(server.is_ready, "Redis answers")
        with a_lab(folder / "host", server.url) as lab:
            yield lab
    finally:
        process.terminate()
        process.wait(30)
