"""Protocols of drivers: how the bench opens a console and switches power."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from labq.domain.deadline import Deadline
from labq.domain.plan import ConsoleSpec, PowerSpec
from labq.hw.process import Spawner


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a console is opened: the key its process is kept under, and its working folder."""

    key: str
    folder: Path
    spawner: Spawner


class ConsoleDriver(Protocol):
    """Opens consoles of one kind."""

    @property
    def kind(self) -> str:
        """Return the kind of the ConsoleSpec that it opens."""

    def open(self, spec: ConsoleSpec, place: Place) -> int:
        """Return a descriptor to read and write; raises InfrastructureError with the reason."""


class Machine(Protocol):
    """The emulator that is the device."""

    def start(self) -> None:
        """Start the emulator as it was started last; raises InfrastructureError without one."""

    def stop(self) -> None:
        """End the emulator; nothing happens when none runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """What a power driver switches, and until when one call may take."""

    spec: PowerSpec
    machine: Machine
    deadline: Deadline


class PowerDriver(Protocol):
    """Switches power of one kind. Each call returns the exchange, for the log.

    Raises InfrastructureError with the exchange that failed.
    """

    @property
    def kind(self) -> str:
        """Return the kind of the PowerSpec that it switches."""

    def on(self, outlet: Outlet) -> str:
        """Power on."""

    def off(self, outlet: Outlet) -> str:
        """Power off."""

    def reset(self, outlet: Outlet) -> str:
        """Reset, or off and on."""
