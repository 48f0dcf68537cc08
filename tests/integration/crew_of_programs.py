"""A supervisor of two programs, run as a process by the tests: `python -m ... FOLDER`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from labq.supervisor.crew import Crew
from labq.supervisor.processes import Part, Program, adopt_orphans


def sleep_with_child() -> None:
    """Be a part that leaves a process of its own group and one of another session behind."""
    os.spawnlp(os.P_NOWAIT, "sleep", "sleep", "1001")
    os.spawnlp(os.P_NOWAIT, "setsid", "setsid", "sleep", "1002")
    os.execlp("sleep", "sleep", "1003")


def fail() -> int:
    """Be a part that cannot do its work."""
    print("the disk is on fire", flush=True)  # noqa: T201 - what the test looks for
    return 3


def main() -> None:
    folder = Path(sys.argv[1])
    adopt_orphans()
    crew = Crew(folder, lambda line: print(line, flush=True), adopts=True)  # noqa: T201 - the driver's output
    crew.add(Part(name="part", entry=f"{__spec__.name}:sleep_with_child"))
    stubborn = ("/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done")
    crew.add(Program(name="stubborn", argv=stubborn, cwd=folder))
    crew.add(Part(name="failing", entry=f"{__spec__.name}:fail"))
    print("up", flush=True)  # noqa: T201 - the driver's output
    while not crew.is_stopping:
        crew.turn()
    crew.stop(["part", "failing"], 2.0)
    crew.stop(["stubborn"], float(os.environ.get("PATIENCE", "1")))
    crew.close()
    print("down", flush=True)  # noqa: T201 - the driver's output


if __name__ == "__main__":
    main()
