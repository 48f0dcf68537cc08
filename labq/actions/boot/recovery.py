"""Boot `recovery`: put the device into its recovery mode, or take it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.steps import tool
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.power import power_off
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_MODES: Mapping[str, str] = {"recovery": "recovery_mode", "exit": "recovery_exit"}


class RecoveryBootParameters(BootBlock):
    """The block of `method: recovery`; `commands` says which way."""

    commands: Literal["recovery", "exit"]


def run(session: Session, parameters: RecoveryBootParameters) -> None:
    """Switch the mode while the device has no power."""
    work = Work(session)
    with work.block(METHOD.action):
        commands = _commands(session, _MODES[parameters.commands])
        power_off(work)
        argvs = [tool.words_of(command) for command in commands]
        tool.flash(work, "switch-recovery", argvs, error=InfrastructureError)
        with work.action("power-on", case=True):
            session.power.on()


def _commands(session: Session, mode: str) -> list[str]:
    """Return the commands of deploy method `recovery`, or else those of the device."""
    places = (("actions", "deploy", "methods", "recovery", "commands"), ("commands",))
    for place in places:
        if found := texts(lookup(session.plan.dictionary, *place, mode)):
            return found
    raise ConfigurationError(f"{session.plan.device} has no commands for {mode}")


METHOD = Method(
    name="recovery",
    action="recovery-boot",
    parameters=RecoveryBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
    run=run,
)
