"""Power switched by commands of the device dictionary."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence

from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.plan import PowerSpec
from labq.hw.driver import Outlet
from labq.hw.process import plain_environment

KEPT_CHARACTERS = 4096
FAKE = PowerSpec(kind="command", on=("echo on",), off=("echo off",))
"""An outlet that only says what it does."""


class CommandPower:
    """Runs the lists of commands in order; a device that lacks one stays as it is."""

    kind = "command"

    def on(self, outlet: Outlet) -> str:
        """Run the commands before power, then those for on."""
        return run_commands((*outlet.spec.pre_power, *outlet.spec.on), outlet.deadline)

    def off(self, outlet: Outlet) -> str:
        """Run the commands for off."""
        return run_commands(outlet.spec.off, outlet.deadline)

    def reset(self, outlet: Outlet) -> str:
        """Run the commands for a reset, without any those for off and on."""
        if outlet.spec.reset:
            return run_commands(outlet.spec.reset, outlet.deadline)
        return self.off(outlet) + self.on(outlet)


def run_commands(commands: Sequence[str], deadline: Deadline) -> str:
    """Run commands by `sh -c` and return what they say, with the commands.

    Raises InfrastructureError with the exchange when one fails or the deadline passes.
    """
    return "".join(f"$ {command}\n{_run(command, deadline)}" for command in commands)


def _run(command: str, deadline: Deadline) -> str:
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=plain_environment(),
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=deadline.remaining())
        except subprocess.TimeoutExpired as error:
            _kill(process.pid)
            said = _text(process.communicate()[0])
            raise InfrastructureError(f"{command!r} took too long; it said: {said}") from error
    text = _text(output)
    if process.returncode:
        raise InfrastructureError(f"{command!r} ended with {process.returncode}: {text.strip()}")
    return text


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _text(output: bytes) -> str:
    return output.decode(errors="replace")[-KEPT_CHARACTERS:]
