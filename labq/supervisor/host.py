"""The supervisor of a lab host: the bench, the Celery workers, and the keeper in this process."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from signal import Signals

from labq import config
from labq.supervisor.crew import Crew
from labq.supervisor.keeper import Keeper
from labq.supervisor.processes import Part

BENCH = Part(name="bench", entry="labq.bench.serve:main")
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
# The bench ends the runs and powers off.
BENCH_STOP_SECONDS = 4.3
WORKER_STOP_SECONDS = 0.3


def main() -> int:
    """Run the parts of the host until a signal asks for the end."""
    settings = config.load()
    folder = settings.bench_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    crew = Crew(settings.state / "log", _say, adopts=False)
    keeper = Keeper(folder)
    try:
        crew.watch(keeper.fileno(), keeper.handle)
        for part in (BENCH, *WORKERS):
            crew.add(part)
        while not crew.is_stopping:
            crew.turn()
        crew.stop([BENCH.name], BENCH_STOP_SECONDS)
        crew.stop([part.name for part in WORKERS], WORKER_STOP_SECONDS)
    finally:
        keeper.close()
    return 0


def _say(line: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(f"{now} host: {line}", file=sys.stderr, flush=True)  # noqa: T201 - the host's log
