"""What the boots by GRUB share, from a BIOS or from UEFI."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from labq.actions.parameters import BootParameters
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.loader_boot import (
    GRUB_EFI,
    Dialect,
    boot_lines,
    loader_of,
    power_up,
    set_problems,
)
from labq.actions.steps.login import Login
from labq.actions.steps.power import power_off
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.uefi import entries_of, interrupt, menu_of, parameters_of, prompt_of
from labq.actions.steps.work import Work, expired
from labq.actions.values import Commands, Flag, TextList
from labq.domain.errors import Problem
from labq.hw.expect import Expect, alternative
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
        lines = boot_lines(work, parameters.commands, as_script=parameters.use_bootscript)
        expect = power_up(work, parameters, reset=_resets(session, parameters))
        if dialect is GRUB_EFI:
            _pick_grub(work, expect)
        loader = loader_of(work, expect, parameters, dialect)
        loader.interrupt()
        loader.send(lines)
        if parameters.prompts or not parameters.boot_finished:
            Login(work, expect, parameters, loader.errors).run()
            transfer_overlay(work, expect, parameters)
        else:
            _await_installer(work, expect, parameters.boot_finished)


def _resets(session: Session, parameters: GrubParameters) -> bool:
    return parameters.reset and session.step.device.get("reset_device") is not False


def _pick_grub(work: Work, expect: Expect) -> None:
    """Start GRUB from the menu of UEFI, on a device whose dictionary says how."""
    part = lookup(work.session.plan.dictionary, "actions", "boot", "methods", "uefi-menu")
    if isinstance(part, Mapping) and (options := part.get("menu_options")):
        said = parameters_of(part)
        menu = menu_of(work, expect, part, {})
        interrupt(menu, said, "uefi-menu-interrupt")
        menu.pick("grub-efi-menu-selector", prompt_of(said), entries_of(part, str(options)))


def _await_installer(work: Work, expect: Expect, finished: list[str]) -> None:
    """Wait for an installation to end, which leaves no shell, and switch off."""
    name = "installer-wait"
    with work.action(name, case=True) as deadline:
        wanted = [alternative("finished", source) for source in finished]
        if expect.wait(wanted, deadline) is None:
            facts = f"{finished} never came; last on the console: {expect.tail() or 'nothing'}"
            raise expired(name, work.session.step.timeouts.of(name), facts)
    power_off(work)
