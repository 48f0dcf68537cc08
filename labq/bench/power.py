"""Power of one run's device: drivers run in threads, one call at a time, the exchange in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from labq.bench import off, placeholders
from labq.bench.consoles import Consoles
from labq.bench.run import BenchRun
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError
from labq.domain.plan import PowerSpec
from labq.domain.verdicts import Level
from labq.drivers.power import POWERS
from labq.drivers.power.command import run_commands
from labq.hw.driver import Outlet, PowerDriver

SECONDS = 60.0
_ACTIONS = {"on": "power-on", "off": "power-off", "reset": "reset-device"}
"""LAVA's names of the inner actions whose timeouts bound a call."""


class RunMachine:
    """The run's emulator, for drivers that run in threads."""

    def __init__(self, consoles: Consoles) -> None:
        self._consoles = consoles
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Start the emulator as it was started last."""
        self._wait(self._consoles.start_again())

    def stop(self) -> None:
        """End the emulator."""
        self._wait(self._consoles.stop())

    def _wait(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


class RunPower:
    """Switches the device of one run."""

    def __init__(self, run: BenchRun, consoles: Consoles) -> None:
        self._run = run
        self._consoles = consoles
        self._machine = RunMachine(consoles)
        self._lock = asyncio.Lock()

    async def switch(self, what: str, name: str = "") -> None:
        """Do one call; raises InfrastructureError with the exchange that failed."""
        async with self._lock:
            exchange = await asyncio.to_thread(self._call(what, name))
            for line in exchange.splitlines():
                self._run.say(Level.DEBUG, line)
            if what == "off":
                seconds = min(off.SECONDS, self._seconds(_ACTIONS[what]))
                state = self._spec().state
                await off.check(self._run.plan, state, Deadline.after(seconds))

    def _call(self, what: str, name: str) -> Callable[[], str]:
        spec = self._spec()
        deadline = Deadline.after(self._seconds(_ACTIONS.get(what, name)))
        if what == "run":
            commands = self._commands(spec, name)
            return lambda: run_commands(commands, deadline)
        outlet = Outlet(spec=spec, machine=self._machine, deadline=deadline)
        driver = self._driver(spec)
        calls = {"on": driver.on, "off": driver.off, "reset": driver.reset}
        return lambda: calls[what](outlet)

    def _driver(self, spec: PowerSpec) -> PowerDriver:
        for driver in POWERS:
            if driver.kind == spec.kind:
                return driver
        raise ConfigurationError(f"no driver switches power of kind {spec.kind}")

    def _seconds(self, action: str) -> float:
        step = self._run.plan.steps[self._run.step]
        return min(step.timeouts.actions.get(action, SECONDS), SECONDS)

    def _spec(self) -> PowerSpec:
        spec, known = self._run.plan.power, self._consoles.known()

        def _filled(commands: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(placeholders.in_command(text, known) for text in commands)

        return PowerSpec(
            kind=spec.kind,
            on=_filled(spec.on),
            off=_filled(spec.off),
            reset=_filled(spec.reset),
            soft_reboot=_filled(spec.soft_reboot),
            pre_power=_filled(spec.pre_power),
            pre_os=_filled(spec.pre_os),
            state=placeholders.in_command(spec.state, known),
            state_off=spec.state_off,
        )

    def _commands(self, spec: PowerSpec, name: str) -> tuple[str, ...]:
        """Return the commands that the dictionary has under a key."""
        found = {
            "pre_power_command": spec.pre_power,
            "pre_os_command": spec.pre_os,
            "soft_reboot_command": spec.soft_reboot,
            "power_on_command": spec.on,
            "power_off_command": spec.off,
            "hard_reset_command": spec.reset,
        }
        own = self._run.plan.dictionary.get("commands")
        value = own.get(name) if isinstance(own, dict) else None
        texts = found.get(name) or ([value] if isinstance(value, str) else value)
        if not isinstance(texts, list | tuple):
            raise ConfigurationError(f"the device has no command {name}")
        known = self._consoles.known()
        return tuple(placeholders.in_command(str(text), known) for text in texts)
