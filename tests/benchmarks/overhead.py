"""A job by labq against a bare script that does the same with the same files and emulator."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path

from tests.benchmarks.bare import COMMANDS, Emulator
from tests.benchmarks.figures import Figure, median, say
from tests.lab import boards, processes
from tests.lab.client import Client
from tests.lab.files import FileServer, serve
from tests.lab.jobs import interactive
from tests.lab.jobs import say as command
from tests.lab.server import running
from tests.lab.waiting import until

PAIRS = 7
ALLOWANCE_SECONDS = 0.5
QUIET_SHARE = 0.9
AGAINST = "at most 1.10 (LAVA 2.2 tuned, 9.9 as shipped)"
Bare = Callable[[], list[str]]


def measure_qemu(folder: Path) -> Iterator[Figure]:
    """Pair jobs on the x86 board with bare_qemu."""
    with _served(folder) as files:
        urls = boards.serve_x86(files)
        job = boards.x86_job(urls, _test())
        with running(folder, "qemu=1") as server:
            client = Client(server.url, server.token)
            emulator, _ = _watch(client, job, server.pid)

            def bare() -> list[str]:
                return [*_script("bare_qemu"), *urls, json.dumps(asdict(emulator))]

            yield Figure("job_overhead.qemu", _pairs(client, job, bare), "times bare", AGAINST)
            client.close()


def measure_uboot(folder: Path) -> Iterator[Figure]:
    """Pair jobs on the arm64 board with bare_uboot."""
    with _served(folder) as files:
        urls = boards.serve_arm(files)
        job = boards.arm_job(urls, _test())
        with running(folder, "uboot=1") as server:
            client = Client(server.url, server.token)
            emulator, number = _watch(client, job, server.pid)
            typed = json.dumps(list(_typed(client, number)))

            def bare() -> list[str]:
                return [*_script("bare_uboot"), *urls, json.dumps(asdict(emulator)), typed]

            yield Figure("job_overhead.uboot", _pairs(client, job, bare), "times bare", AGAINST)
            client.close()


def _served(folder: Path) -> AbstractContextManager[FileServer]:
    files = folder / "files"
    files.mkdir()
    return serve(files)


def _test() -> dict[str, object]:
    script = [command(line, f"case-{number}") for number, line in enumerate(COMMANDS)]
    return dict(interactive(*script, prompts=[boards.PROMPT]))


def _script(name: str) -> list[str]:
    return [sys.executable, "-m", f"tests.benchmarks.{name}"]


def _pairs(client: Client, job: str, bare: Bare) -> float:
    """Return the median of (labq - allowance) / bare over pairs that take turns."""
    ratios = []
    for number in range(PAIRS):
        alone = _time_bare(bare())
        whole = _time_job(client, job, quiet=QUIET_SHARE * alone)
        ratios.append((whole - ALLOWANCE_SECONDS) / alone)
        say(f"pair {number + 1}: labq {whole:.2f} s, bare {alone:.2f} s, {ratios[-1]:.3f}")
    return round(median(ratios), 3)


def _time_bare(argv: list[str]) -> float:
    started = time.monotonic()
    subprocess.run(argv, check=True, timeout=600)
    return time.monotonic() - started


def _time_job(client: Client, job: str, quiet: float) -> float:
    """Return the wall time of a job. Nothing is asked in its first `quiet` seconds.

    The answers to this driver's questions would else cost the emulator its core.
    """
    started = time.monotonic()
    number = client.submit(job)
    time.sleep(quiet)
    shown = until(lambda: _over(client, number), f"job {number} is over", seconds=600, pause=0.01)
    took = time.monotonic() - started
    assert shown["outcome"] == "complete", shown
    return took


def _over(client: Client, number: int) -> dict[str, object] | None:
    shown = client.job(number)
    return shown if shown["state"] == "finished" else None


def _watch(client: Client, job: str, root: int) -> tuple[Emulator, int]:
    """Run the job once, to warm the cache, and return the emulator's command as it ran."""
    number = client.submit(job)
    found = until(lambda: _emulator(root), "the emulator runs", seconds=120, pause=0.02)
    shown = client.finish(number, 600)
    assert shown["outcome"] == "complete", shown
    return found, number


def _emulator(root: int) -> Emulator | None:
    for process in processes.tree(root):
        if process.name.startswith("qemu-system"):
            return _bare_command(process.pid)
    return None


def _bare_command(pid: int) -> Emulator:
    proc = Path("/proc") / str(pid)
    words = proc.joinpath("cmdline").read_bytes().decode().split("\0")[:-1]
    variables = proc.joinpath("environ").read_bytes().decode(errors="replace").split("\0")
    libraries = dict(
        variable.split("=", 1) for variable in variables if variable.startswith("LD_LIBRARY_PATH=")
    )
    return Emulator(tuple(_placed(words)), libraries)


def _placed(words: list[str]) -> Iterator[str]:
    """Put the places of the bare script's files where those of the run's stand."""
    before = ""
    for word in words:
        if before in ("-kernel", "-initrd"):
            yield "{folder}/" + {"-kernel": "kernel", "-initrd": "ramdisk"}[before]
        else:
            yield ",".join(_placed_option(option) for option in word.split(","))
        before = word


def _placed_option(option: str) -> str:
    name, _, value = option.partition("=")
    if name == "tftp" and value:
        return "tftp={folder}"
    if name == "path" and value.startswith("/"):
        return "path={folder}/console"
    return option


def _typed(client: Client, number: int) -> Iterator[str]:
    """Yield the boot loader's commands of a job, with the bare script's file names."""
    files = iter(("kernel", "ramdisk"))
    lines = [str(line["msg"]).strip() for line in client.lines(number) if line["lvl"] == "input"]
    for line in lines:
        words = line.split()
        if line in COMMANDS:
            return
        if line and line != boards.LOGIN["username"]:
            is_fetch = words[0] == "tftp"
            yield " ".join([*words[:-1], next(files)] if is_fetch else words)
