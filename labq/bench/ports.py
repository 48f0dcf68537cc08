"""Serial ports that are there only while the board has power, or come back under another name.

A port is known by the path of its dictionary, best one of /dev/serial/by-path. One that is absent is
waited for; meanwhile its console is silent, and the journal says so.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from labq.bench.faults import Faults
from labq.bench.run import BenchRun
from labq.benchlink.records import Kind
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, LabqError
from labq.domain.plan import ConsoleSpec
from labq.domain.verdicts import Level
from labq.hw.params.url import parse_url

SECONDS = 60.0
ACTION = "connect-device"
"""The inner action whose timeout bounds the wait, in the job or the dictionary; else SECONDS."""
PAUSE_SECONDS = 0.1


def path_of(spec: ConsoleSpec) -> Path | None:
    """Return the path of a console that is a serial port of this host, None for others."""
    if spec.kind != "url":
        return None
    where = parse_url(spec.url)
    return None if where.scheme else Path(where.path)


class Ports:
    """The absent ports of one run. `connect` gets those that have come."""

    def __init__(
        self, run: BenchRun, faults: Faults, connect: Callable[[str, int], Awaitable[None]]
    ) -> None:
        self._run = run
        self._faults = faults
        self._connect = connect
        self._waits: dict[str, asyncio.Task[str]] = {}

    @property
    def absent(self) -> list[str]:
        """Return the consoles whose ports are waited for."""
        return list(self._waits)

    def is_absent(self, name: str) -> bool:
        """Tell whether a console's port is waited for."""
        return name in self._waits

    def wait_for(self, name: str, path: Path, open_port: Callable[[], int]) -> None:
        """Wait for a port beside the loop; `open_port` opens it once its path is there."""
        work = self._wait(name, path, open_port)
        self._waits[name] = asyncio.get_running_loop().create_task(work)

    async def arrival(self, name: str) -> None:
        """Return when a console's port is there; raises InfrastructureError when it stays away."""
        wait = self._waits.get(name)
        if wait is None:
            return
        await asyncio.wait([wait])
        problem = "it was closed" if wait.cancelled() else wait.result()
        if problem:
            raise InfrastructureError(f"console {name}: {problem}")

    def forget(self, name: str) -> None:
        """Wait for a port no more."""
        wait = self._waits.pop(name, None)
        if wait:
            wait.cancel()

    async def _wait(self, name: str, path: Path, open_port: Callable[[], int]) -> str:
        """Return why the port did not come, empty when it did."""
        step = self._run.plan.steps[self._run.step]
        seconds = step.timeouts.actions.get(ACTION, SECONDS)
        deadline, reason = Deadline.after(seconds), "it does not exist"
        while not deadline.is_over():
            if path.exists():
                try:
                    file = await _opened(open_port)
                except LabqError as error:
                    reason = str(error)
                else:
                    await self._arrived(name, path, file)
                    return ""
            await asyncio.sleep(PAUSE_SECONDS)
        return self._give_up(name, f"serial port {path} is not there after {seconds:g} s: {reason}")

    async def _arrived(self, name: str, path: Path, file: int) -> None:
        self._faults.note(f"console {name}", "")
        declare(self._run, name, f"serial port {path} is there, as {path.resolve()}")
        try:
            await self._connect(name, file)
        except asyncio.CancelledError:
            # The console was closed while this waited for its turn: nobody has the port.
            os.close(file)
            raise
        # It may be gone again, and waited for anew.
        if self._waits.get(name) is asyncio.current_task():
            del self._waits[name]

    def _give_up(self, name: str, text: str) -> str:
        self._waits.pop(name, None)
        self._faults.note(f"console {name}", text)
        data = json.dumps({"text": text, "asked": False}).encode()
        self._run.record(Kind.CLOSED, data, channel=name)
        return text


def declare(run: BenchRun, channel: str, text: str, level: Level = Level.INFO) -> None:
    """Say in journal and log that a console has a gap here."""
    data = {"lvl": level.value, "msg": text, "line": run.log.lines.count}
    run.record(Kind.GAP, json.dumps(data).encode(), channel=channel)


async def _opened(open_port: Callable[[], int]) -> int:
    """Open in a thread; what is opened when nobody waits any more is closed."""
    opening = asyncio.get_running_loop().create_task(asyncio.to_thread(open_port))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Task[int]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        os.close(opening.result())
