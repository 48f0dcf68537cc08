"""What a step uses on a host: `begin` waits for the grant, `StepSession` is the step at work."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from typing_extensions import override

from labq.benchlink.child import run_fenced
from labq.benchlink.console import BenchConsole, StepClock, StepStand, open_journal
from labq.benchlink.group import BenchGroup
from labq.benchlink.link import HoldLostError, Link
from labq.benchlink.messages import (
    Begin,
    Disconnect,
    End,
    Granted,
    Log,
    Open,
    Remember,
    Result,
    Start,
    Switch,
)
from labq.benchlink.raw_consoles import write_consoles
from labq.domain.deadline import Deadline
from labq.domain.errors import Failure, InfrastructureError
from labq.domain.plan import Plan, PlanStep
from labq.domain.verdicts import CaseResult, Level
from labq.hw.console import Console
from labq.hw.group import GroupLine
from labq.hw.power import Power
from labq.hw.session import Emulator, Finished, Session
from labq.plans import load_plan

__all__ = ["HoldLostError", "StepSession", "begin"]


def begin(socket: Path, *, run: int, epoch: int, step: int) -> StepSession | None:
    """Register the step and wait until the bench grants it; None when it is not to be run.

    Raises InfrastructureError when the bench is away for a minute.
    """
    link = Link(socket, Begin(run=run, epoch=epoch, step=step, pid=os.getpid()))
    granted = link.register()
    return StepSession(link, granted, step) if granted else None


class StepSession(Session):
    """One granted step. Not for several threads at once."""

    def __init__(self, link: Link, granted: Granted, step: int) -> None:
        self._link = link
        self._granted = granted
        self._run_folder = Path(granted.folder)
        self._plan = load_plan((self._run_folder / "plan.json").read_bytes())
        self._step = self._plan.steps[step]
        self._journal = open_journal(self._run_folder)
        self._stand = StepStand(link, StepClock(self._journal, granted, link.pauses))
        self._consoles: dict[str, BenchConsole] = {}
        self._power = BenchPower(link, self._plan)
        self._group = BenchGroup(self._journal, granted.start, self._stand)
        self._next: int | None = None
        self._is_over = False

    @property
    @override
    def plan(self) -> Plan:
        return self._plan

    @property
    @override
    def step(self) -> PlanStep:
        return self._step

    @property
    @override
    def folder(self) -> Path:
        return self._run_folder / "files"

    @property
    @override
    def artifacts(self) -> Path:
        return self._run_folder / "artifacts"

    @override
    def keep_consoles(self) -> None:
        self.artifacts.mkdir(exist_ok=True)
        write_consoles(self._journal, self.artifacts)

    @property
    @override
    def power(self) -> Power:
        return self._power

    @property
    @override
    def group(self) -> GroupLine:
        return self._group

    @override
    def console(self, channel: str | None = None) -> Console:
        name = channel or self._step.channel or _primary(self._plan)
        self._link.call(Open(channel=name))
        return self._reader(name)

    @override
    def disconnect(self, channel: str) -> None:
        self._link.call(Disconnect(channel=channel))

    @override
    def start(self, emulator: Emulator) -> Console:
        self._link.call(
            Start(
                argv=emulator.argv,
                channel=emulator.channel,
                cwd=str(emulator.cwd),
                environment=emulator.environment,
                socket=str(emulator.socket) if emulator.socket else None,
                has_terminal=emulator.has_terminal,
            )
        )
        return self._reader(emulator.channel)

    @override
    def run(self, argv: Sequence[str], deadline: Deadline, cwd: Path | None = None) -> Finished:
        cpus = self._granted.cpus
        return run_fenced(self._link, argv, deadline, cwd or self.folder, cpus=cpus)

    @override
    def log(self, level: Level, message: str) -> int:
        return self._stand.emit(lambda number: Log(number=number, level=level, message=message))

    @override
    def report(self, result: CaseResult) -> None:
        details = json.loads(json.dumps(dict(result.details)))
        plain = replace(result, details=details)
        self._stand.emit(lambda number: Result(number=number, result=plain))

    @override
    def remember(self, key: str, value: object) -> None:
        self._link.call(Remember(key=key, value=value))

    @override
    def recall(self, key: str) -> object:
        try:
            text = (self._run_folder / "remembered.json").read_bytes()
        except FileNotFoundError:
            return None
        remembered: dict[str, object] = json.loads(text)
        return remembered.get(key)

    def end(self, failure: Failure | None = None) -> int | None:
        """End the step and return the index of the next one, None when the run is over.

        The bench is then told that the task is `handing` until `release`. Calling it again
        changes nothing.
        """
        if not self._is_over:
            self._next = self._link.call(End(failure=failure))
            self._is_over = True
        return self._next

    def release(self) -> None:
        """Close everything; a step without an end is lost by this."""
        self._link.close()
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1

    def _reader(self, channel: str) -> BenchConsole:
        if channel not in self._consoles:
            start = self._granted.start
            self._consoles[channel] = BenchConsole(channel, self._journal, start, self._stand)
        return self._consoles[channel]


class BenchPower(Power):
    """Power by way of the bench."""

    def __init__(self, link: Link, plan: Plan) -> None:
        self._link = link
        self._spec = plan.power

    @override
    def on(self) -> None:
        self._link.call(Switch(what="on"))

    @override
    def off(self) -> None:
        self._link.call(Switch(what="off"))

    @override
    def reset(self) -> None:
        self._link.call(Switch(what="reset"))

    @override
    def can_reset(self) -> bool:
        spec = self._spec
        return spec.kind == "emulator" or bool(spec.reset or (spec.on and spec.off))

    @override
    def run(self, name: str) -> None:
        self._link.call(Switch(what="run", name=name))


def _primary(plan: Plan) -> str:
    """Return the channel that is marked primary, or the first one."""
    if not plan.consoles:
        raise InfrastructureError(f"the device {plan.device} has no console")
    return max(plan.consoles, key=lambda console: console.primary).channel
