"""Everything a step may do to the world, as one Protocol: actions are written against it alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from labq.domain.deadline import Deadline
from labq.domain.plan import Plan, PlanStep
from labq.domain.verdicts import CaseResult, Level
from labq.hw.console import Console
from labq.hw.group import GroupLine
from labq.hw.power import Power


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulator:
    """A process that is the device: run by the host's supervisor, its terminal is the console.

    `channel` is the console's name; `socket` is the path of a unix socket the process connects
    its console to (the bench listens there first), None for its standard input and output. Those
    are a pseudo terminal with `has_terminal`, for programs that want one.
    """

    argv: tuple[str, ...]
    channel: str
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    socket: Path | None = None
    has_terminal: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended: its exit code and combined output (at most 64 KiB, the last ones)."""

    returncode: int
    output: str


class Session(Protocol):
    """One step at work. Files belong under `folder`, which all steps of a run share."""

    @property
    def plan(self) -> Plan:
        """Return the run's plan."""

    @property
    def step(self) -> PlanStep:
        """Return the step that runs."""

    @property
    def folder(self) -> Path:
        """Return the run's folder for files, kept until the run is over."""

    @property
    def artifacts(self) -> Path:
        """Return the folder of files that go to the server when the run is over."""

    def keep_consoles(self) -> None:
        """Write the raw bytes that came from each console so far into `artifacts`."""

    @property
    def power(self) -> Power:
        """Return the device's power."""

    @property
    def group(self) -> GroupLine:
        """Return the line to the other members of the run's group."""

    def console(self, channel: str | None = None) -> Console:
        """Open a channel (default: the step's, else the primary one) if it is not open, and return it."""

    def disconnect(self, channel: str) -> None:
        """Close a channel's connection."""

    def start(self, emulator: Emulator) -> Console:
        """Start the emulator in place of one that runs, and return its console."""

    def run(self, argv: Sequence[str], deadline: Deadline, cwd: Path | None = None) -> Finished:
        """Run a program that is fenced: it ends when the step loses its hold or `deadline` passes.

        Raises InfrastructureError when it is not found or its time is over.
        """

    def log(self, level: Level, message: str) -> int:
        """Append to the run's log, return the 0-based log line."""

    def report(self, result: CaseResult) -> None:
        """Report one test case; the same one is never counted twice."""

    def remember(self, key: str, value: object) -> None:
        """Keep a JSON value for later steps of this run (paths of images, overlay, ...)."""

    def recall(self, key: str) -> object:
        """Return what an earlier step remembered, None without it."""
