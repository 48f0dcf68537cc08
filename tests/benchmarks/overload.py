"""How boots fare when many wait at once: fixed limits against the one that adapts.

Jobs boot user-mode Linux on one real host, and every boot has three times as long as a quiet one.
`LABQ_OVERLOAD_BOOTS` shortens the arms, for a first look.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from labq.cli.api import Api
from labq.cli.server import Server as Address
from labq.cli.sweep.arms import Arm, Measured
from labq.cli.sweep.driver import Sweep
from tests.benchmarks.figures import Figure, say
from tests.lab import boards
from tests.lab.files import serve
from tests.lab.jobs import boot, definition, deploy
from tests.lab.server import Server, running

DEVICES = 32
FIXED = (1, 2, 4, 8, 16, 32)
BOOTS = int(os.environ.get("LABQ_OVERLOAD_BOOTS", "200"))
BOOT_SECONDS = 30
QUIET_BOOTS = 7
PATIENCE = 3.0
REST_SECONDS = 8.0
HOST = "local"


def measure(folder: Path) -> Iterator[Figure]:
    """Find out how long a quiet boot takes, then run all arms."""
    (folder / "files").mkdir()
    with serve(folder / "files") as files, running(folder, f"uml={DEVICES}") as server:
        urls = boards.serve_uml(files)
        job = _job(urls)
        (quiet,) = _sweep(server, job, QUIET_BOOTS, [Arm(boots=1, tests=1)])
        assert quiet.failed == 0, quiet
        assert quiet.boot_seconds is not None
        deadline = PATIENCE * quiet.boot_seconds
        say(f"a quiet boot takes {quiet.boot_seconds:.2f} s, so each has {deadline:.2f} s")
        _stretch(server, deadline / BOOT_SECONDS)
        yield Figure("overload.quiet_boot_seconds", quiet.boot_seconds, "s", "no goal")
        arms = [Arm(boots=boots, tests=BOOTS) for boots in (*FIXED, None)]
        measured = list(_sweep(server, job, BOOTS, arms))
    yield from _figures(measured)


def _sweep(server: Server, job: str, jobs: int, arms: Sequence[Arm]) -> Iterator[Measured]:
    with Api(Address(server.url, server.token, "the benchmark")) as api:
        sweep = Sweep(api=api, host=HOST, definition=job, jobs=jobs, seconds=1800, say=_silent)
        for found in sweep.run(arms):
            say(f"{_name(found)}: {found.failed} of {found.jobs} failed, {found.seconds} s")
            yield found
            # What the last arm has left to do must not press on the next one.
            time.sleep(REST_SECONDS)


def _job(urls: tuple[str]) -> str:
    timeout = {"seconds": BOOT_SECONDS}
    login = boot("minimal", prompts=[boards.PROMPT], auto_login=boards.LOGIN, timeout=timeout)
    return definition("uml", deploy("tmpfs", images={"ramdisk": {"url": urls[0]}}), login)


def _stretch(server: Server, factor: float) -> None:
    """Scale the timeouts of boots: a definition has whole seconds only."""
    with Api(Address(server.url, server.token, "the benchmark")) as api:
        api.patch(f"/hosts/{HOST}", {"timeout_scales": {"boot": round(factor, 4)}})


def _figures(measured: Sequence[Measured]) -> Iterator[Figure]:
    for arm in measured:
        yield Figure(f"overload.{_name(arm)}.seconds", arm.seconds, f"s, {arm.jobs} boots", "-")
        yield Figure(f"overload.{_name(arm)}.failed", arm.failed_percent, "% of boots", "-")
    adaptive = next(arm for arm in measured if arm.boots is None)
    best = best_fixed(measured)
    points = round(adaptive.failed_percent - best.failed_percent, 2)
    yield Figure("overload.excess_points", points, "points above the best", "at most 1")
    ratio = round(adaptive.seconds / best.seconds, 3)
    yield Figure("overload.wall_ratio", ratio, "times the best", "at most 1.15")


def best_fixed(measured: Sequence[Measured]) -> Measured:
    """Return the fixed arm with the fewest failures, of several the quickest."""
    fixed = (arm for arm in measured if arm.boots is not None)
    return min(fixed, key=lambda arm: (arm.failed, arm.seconds))


def _name(arm: Measured) -> str:
    return "adaptive" if arm.boots is None else str(arm.boots)


def _silent(_line: str) -> None:
    """Say nothing: the figures of each arm are enough."""
