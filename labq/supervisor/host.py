"""The supervisor of a lab host: the bench, the Celery workers, and the keeper in this process."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from signal import Signals

from labq.bench.serve import TAKEN_OVER
from labq.config import Settings
from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.supervisor import joined, reach, remains, sole
from labq.supervisor.address import split
from labq.supervisor.control import Control
from labq.supervisor.crew import Crew
from labq.supervisor.keeper import Keeper
from labq.supervisor.processes import Part
from labq.supervisor.restarts import answer

BENCH = Part(name="bench", entry="labq.bench.serve:main")
WARDEN = "warden"
TFTP = "tftp"
TFTP_PORT = 69
# Imported before the forks: parts share the memory, and one that is started again is quick.
PRELOADED = ("labq.bench.serve", "labq.tasks.host_worker")
GROUPS = ("steps", "tests", "collect")
# A worker has nothing to lose that the bench does not have, and is slow to listen.
WORKERS = tuple(
    Part(
        name=group,
        entry="labq.tasks.host_worker:main",
        arguments=(group,),
        stop_signal=Signals.SIGKILL,
    )
    for group in GROUPS
)
# The bench has LABQ_HOST_STOP_SECONDS to end the runs and power off, and says so to the server.
LAST_WORDS_SECONDS = 0.8
WORKER_STOP_SECONDS = 0.3


def main(logs: str = "") -> int:
    """Run the parts of the host until a signal asks for the end; they log to the folder `logs`.

    Raises ConfigurationError for settings that cannot work, InfrastructureError when the host's
    folder is in use or cannot be used, or another machine runs the host.
    """
    settings = joined.enter()
    if not settings.redis_url:
        raise ConfigurationError(
            "this machine has not joined as a host, and LABQ_REDIS_URL is not set: "
            "`labq host enroll` on the server prints the command to join"
        )
    with sole.alone(settings.bench_folder):
        claim = reach.claim(settings, _say)
        try:
            _serve(settings, Path(logs) if logs else settings.bench_folder / "log")
        finally:
            claim.release()
    return 0


def _serve(settings: Settings, logs: Path) -> None:
    folder = settings.bench_folder
    life = remains.begin_life(folder)
    if left := remains.end_strangers(folder, life):
        _say(f"processes of a supervisor before this one cannot be killed: {left}")
    _preload()
    crew = Crew(logs, _say, adopts=False)
    keeper = Keeper(folder)
    control = Control(
        folder, partial(answer, crew, {part.name: part for part in (BENCH, *WORKERS)})
    )
    try:
        crew.watch(keeper.fileno(), keeper.handle)
        crew.watch(control.fileno(), control.handle)
        for part in (_warden(life), BENCH, *WORKERS, *_tftp(settings)):
            crew.add(part)
        is_taken = False
        while not (crew.is_stopping or is_taken):
            crew.turn()
            is_taken = crew.last_code(BENCH.name) == TAKEN_OVER
        crew.stop([BENCH.name], settings.host_stop_seconds + LAST_WORDS_SECONDS)
        crew.stop([part.name for part in WORKERS], WORKER_STOP_SECONDS)
        if is_taken:
            raise InfrastructureError(f"another machine runs host {settings.host} now")
        crew.end_leaving(crew.leaving)
    finally:
        control.close()
        keeper.close()
        crew.stop([WARDEN, TFTP], WORKER_STOP_SECONDS)
        remains.end_life(life)


def _tftp(settings: Settings) -> Iterator[Part]:
    """Yield the TFTP server, where one is asked for; raises ConfigurationError for a bad address."""
    if settings.tftp:
        host, port = split(settings.tftp, TFTP_PORT)
        yield Part(name=TFTP, entry="labq.netboot.server:main", arguments=(host, str(port)))


def _preload() -> None:
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _warden(life: str) -> Part:
    """Return the process that ends what this one leaves when it is killed, and so outlives it."""
    return Part(
        name=WARDEN,
        entry="labq.supervisor.remains:watch",
        arguments=(str(os.getpid()), life),
        stop_signal=Signals.SIGKILL,
        death_signal=Signals.SIGCONT,
    )


def _say(line: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    with suppress(OSError):
        # A full disk takes no log.
        print(f"{now} host: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the host's log
