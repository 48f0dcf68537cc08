"""Reaching a device: its console first, then power or a reboot, so that no byte is missed."""

from __future__ import annotations

import re

from labq.actions.parameters import BootBlock
from labq.actions.steps.dictionary import SHUTDOWN, character_delay, constant, lookup, texts
from labq.actions.steps.work import Work
from labq.domain.errors import InfrastructureError, LabqError
from labq.domain.plan import ConsoleSpec, Plan
from labq.hw.expect import Alternative, Expect

SOFT_REBOOTS = ("reboot", "reboot -n", "reboot -nf")


def connect(work: Work, parameters: BootBlock, *, reset: bool) -> Expect:
    """Open the primary console and restart the device: by power, by commands, by connecting.

    A device that is itself the connect command (a local shell, user-mode Linux: `connecting_starts`
    of its dictionary) starts afresh with each connection, unless it has power or a soft reboot.
    """
    with work.action("connect-device"):
        spec = primary_console(work.session.plan)
        is_device = work.session.plan.dictionary.get("connecting_starts") is True
        if reset and is_device and not _can_reboot(work, parameters):
            work.session.disconnect(spec.channel)
            return Expect(work.session.console())
        expect = Expect(work.session.console())
    if reset:
        _reset(work, expect, parameters)
    return expect


def _can_reboot(work: Work, parameters: BootBlock) -> bool:
    return work.session.power.can_reset() or bool(_soft_reboots(work, parameters))


def primary_console(plan: Plan) -> ConsoleSpec:
    """Return the console that boots and tests talk to."""
    for spec in plan.consoles:
        if spec.primary:
            return spec
    raise InfrastructureError(f"the device {plan.device} has no console")


def _reset(work: Work, expect: Expect, parameters: BootBlock) -> None:
    with work.action("reset-device"):
        if work.session.power.can_reset():
            with work.action("pdu-reboot"):
                work.session.power.reset()
            return
        _soft_reboot(work, expect, parameters)


def has_command(work: Work, command: str) -> bool:
    """Return whether the dictionary has a command of this key."""
    return bool(lookup(work.session.plan.dictionary, "commands", command))


def run_command(work: Work, action: str, command: str) -> None:
    """Run a command of the dictionary by its key, as the inner action `action`."""
    with work.action(action, case=True):
        work.session.power.run(command)


def _soft_reboot(work: Work, expect: Expect, parameters: BootBlock) -> None:
    message = parameters.parameters.shutdown_message
    message = message or constant(work.session, "shutdown-message") or SHUTDOWN
    going_down = [Alternative("down", re.compile(re.escape(message.encode())), message.encode())]
    commands = _soft_reboots(work, parameters) or list(SOFT_REBOOTS)
    with work.action("send-reboot-commands") as deadline:
        share = deadline.remaining(expect.clock) / len(commands)
        for command in commands:
            expect.send(command.encode() + b"\n", character_delay(work.session, "boot"))
            if expect.wait(going_down, min(deadline, expect.after(share))):
                return
        raise _no_reboot(expect, commands, message)


def _soft_reboots(work: Work, parameters: BootBlock) -> list[str]:
    return parameters.soft_reboot or texts(
        lookup(work.session.plan.dictionary, "commands", "soft_reboot")
    )


def _no_reboot(expect: Expect, commands: list[str], message: str) -> LabqError:
    tail = expect.tail() or "nothing"
    return InfrastructureError(
        f"no soft reboot by {commands}: {message!r} never came; last on the console: {tail}"
    )


def power_off(work: Work) -> None:
    """Switch the device off, as the case `power-off`."""
    with work.action("power-off", case=True):
        work.session.power.off()
