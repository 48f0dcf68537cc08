"""Power drivers by kind."""

from __future__ import annotations

from labq.drivers.power.command import CommandPower
from labq.drivers.power.emulator import EmulatorPower
from labq.drivers.power.none import NoPower
from labq.hw.driver import PowerDriver

POWERS: tuple[PowerDriver, ...] = (CommandPower(), EmulatorPower(), NoPower())
