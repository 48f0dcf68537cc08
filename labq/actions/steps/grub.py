"""What the boots by GRUB share, from a BIOS or from UEFI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pydantic import Field

from labq.actions.parameters import BootParameters
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.loader_boot import Dialect, commands_of, loader_of, power_up, set_problems
from labq.actions.steps.loader_commands import boot_script, substituted
from labq.actions.steps.login import Login
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Commands, Flag, TextList
from labq.domain.errors import Problem
from labq.hw.session import Session


class GrubParameters(BootParameters):
    """The block; without `expect_shell` the boot ends at one of `boot_finished`."""

    commands: Commands
    boot_finished: TextList = Field(default_factory=list)
    expect_shell: Flag = True
    reset: Flag = True
    use_bootscript: Flag = False


def check(parameters: GrubParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has."""
    return set_problems(parameters.commands, device)


def run(session: Session, parameters: GrubParameters, dialect: Dialect, action: str) -> None:
    """Stop GRUB, let it load and start the kernel, log in."""
    work = Work(session)
    with work.block(action):
        bring_overlay(work, fetch=True)
        lines = substituted(session, commands_of(work, parameters.commands))
        if parameters.use_bootscript:
            lines = boot_script(session, lines)
        expect = power_up(work, parameters, reset=parameters.reset)
        loader = loader_of(work, expect, parameters, dialect)
        loader.interrupt()
        if parameters.boot_finished:
            loader = replace(loader, final_message="|".join(parameters.boot_finished))
        loader.send(lines)
        if parameters.expect_shell and not parameters.boot_finished:
            Login(work, expect, parameters, loader.errors).run()
            transfer_overlay(work, expect, parameters)
