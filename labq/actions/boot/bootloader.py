"""Boot `bootloader`: stop at the boot loader's prompt, for interactive tests."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.loader_boot import DIALECTS, loader_of, power_up
from labq.actions.steps.loader_commands import boot_script, substituted
from labq.actions.steps.work import Work, namespaced
from labq.actions.values import Flag, Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class BootloaderParameters(PromptBoot):
    """The block of `method: bootloader`; `bootloader` is the method whose loader it is."""

    bootloader: Text
    commands: list[Text] = Field(default_factory=list)
    use_bootscript: Flag = False
    reset_connection: Flag = True
    reset_device: Flag = True
    reset: Flag = True


def check(parameters: BootloaderParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name a boot loader that cannot be stopped at a prompt."""
    if parameters.bootloader in DIALECTS:
        return []
    known = ", ".join(DIALECTS)
    message = f"no boot loader that stops at a prompt: {parameters.bootloader!r}; known: {known}"
    return [Problem(path="bootloader", message=message)]


def run(session: Session, parameters: BootloaderParameters) -> None:
    """Reach the prompt, send the commands; what comes after each is the prompt again."""
    work = Work(session)
    with work.block(METHOD.action):
        bring_overlay(work, fetch=True)
        lines = substituted(session, parameters.commands)
        if parameters.use_bootscript:
            lines = boot_script(session, lines)
        is_reset = parameters.reset and parameters.reset_device
        expect = power_up(work, parameters, reset=is_reset)
        loader = loader_of(work, expect, parameters, DIALECTS[parameters.bootloader])
        if is_reset:
            loader.interrupt()
        loader.send_all(lines)
        session.remember(namespaced(session, "prompts"), list(parameters.prompts))


METHOD = Method(
    name="bootloader",
    action="boot-bootloader",
    parameters=BootloaderParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
