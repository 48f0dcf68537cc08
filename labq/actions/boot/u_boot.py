"""Boot `u-boot`: interrupt U-Boot, send the commands that fetch and start the kernel, log in."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.steps.bootloader import Bootloader
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import UBOOT_FINAL, UBOOT_INTERRUPT, constant, lookup, texts
from labq.actions.steps.emulator import emulator_of_dictionary, start_device
from labq.actions.steps.login import Login
from labq.actions.steps.power import connect
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.uboot_commands import substituted
from labq.actions.steps.work import Work
from labq.actions.values import Commands, Flag
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session


class UBootParameters(BootParameters):
    """The block of `method: u-boot`; `commands` names a set of the device or is the list."""

    commands: Commands
    reset: Flag = True
    use_bootscript: Flag = False


def check(parameters: UBootParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has."""
    problems = []
    if parameters.use_bootscript:
        problems.append(Problem(path="use_bootscript", message="not supported by this labq"))
    name = parameters.commands
    if isinstance(name, str) and not isinstance(device.get(name), Mapping):
        known = ", ".join(sorted(key for key in device if key != "parameters")) or "none"
        problems.append(
            Problem(path="commands", message=f"the device has no set {name!r}, it has: {known}")
        )
    return problems


def run(session: Session, parameters: UBootParameters) -> None:
    """Stop U-Boot, let it load and start the kernel, log in."""
    work = Work(session)
    with work.block("uboot-action"):
        bring_overlay(work, fetch=True)
        commands = _commands(session, parameters)
        expect = _power_up(work, parameters)
        loader = _bootloader(work, expect, parameters)
        loader.interrupt()
        loader.send(substituted(session, commands))
        Login(work, expect, parameters, loader.errors).run()
        transfer_overlay(work, expect, parameters)


def _commands(session: Session, parameters: UBootParameters) -> list[str]:
    if isinstance(parameters.commands, list):
        return parameters.commands
    return texts(lookup(session.step.device, parameters.commands, "commands"))


def _power_up(work: Work, parameters: UBootParameters) -> Expect:
    machine = emulator_of_dictionary(work)
    if machine is not None:
        return start_device(work, machine)
    return connect(work, parameters, reset=parameters.reset)


def _bootloader(work: Work, expect: Expect, parameters: UBootParameters) -> Bootloader:
    session = work.session

    def _of_device(key: str) -> object:
        return lookup(session.step.device, "parameters", key)

    newline = lookup(session.plan.dictionary, "constants", "u-boot", "interrupt-newline")
    final = parameters.parameters.bootloader_final_message
    return Bootloader(
        work,
        expect,
        prompt=str(_of_device("bootloader_prompt") or "=> "),
        interrupt_prompt=str(_of_device("interrupt_prompt") or UBOOT_INTERRUPT),
        interrupt_text=str(
            _of_device("interrupt_char")
            or constant(session, "u-boot", "interrupt-character")
            or " "
        )
        + ("" if newline is False else "\n"),
        needs_interrupt=_of_device("needs_interrupt") is not False,
        final_message=final or constant(session, "u-boot", "final-message") or UBOOT_FINAL,
        errors=texts(lookup(session.plan.dictionary, "constants", "u-boot", "error-messages")),
    )


METHOD = Method(
    name="u-boot",
    parameters=UBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
