"""Boot `uefi`: send commands to the shell of UEFI."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import LoginBoot
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.loader_boot import Dialect, commands_of, loader_of, power_up, set_problems
from labq.actions.steps.loader_commands import substituted
from labq.actions.steps.login import Login
from labq.actions.steps.menu import SEPARATORS
from labq.actions.steps.uefi import entries_of, interrupt, menu_of, parameters_of, prompt_of
from labq.actions.steps.work import Work
from labq.actions.values import Commands, Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session


class UefiParameters(LoginBoot):
    """The block of `method: uefi`; `shell_menu` is the menu's entry of the shell."""

    commands: Commands
    shell_menu: Text = ""


SHELL = Dialect("uefi", "any other key to continue", " ", newline=False, prompt="Shell>")


def check(parameters: UefiParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has."""
    return set_problems(parameters.commands, device)


def run(session: Session, parameters: UefiParameters) -> None:
    """Reach the shell of UEFI, send the commands, log in to what they start."""
    work = Work(session)
    said = parameters_of(session.step.device)
    with work.block(METHOD.action):
        bring_overlay(work, fetch=True)
        lines = substituted(session, commands_of(work, parameters.commands))
        expect = power_up(work, parameters, reset=True)
        _pick_shell(work, expect, parameters, said)
        loader = loader_of(work, expect, parameters, SHELL)
        loader.interrupt_prompt = str(said.get("shell_interrupt_prompt") or SHELL.interrupt_prompt)
        loader.interrupt_text = str(said.get("shell_interrupt_string") or SHELL.interrupt)
        loader.line_end = SEPARATORS["dos"]
        loader.interrupt()
        loader.send(lines)
        Login(work, expect, parameters, loader.errors).run()


def _pick_shell(
    work: Work, expect: Expect, parameters: UefiParameters, said: Mapping[str, object]
) -> None:
    """Start the shell from the menu, on a device that has one."""
    is_set = "shell_menu" in parameters.model_fields_set
    name = parameters.shell_menu if is_set else str(said.get("shell_menu") or "")
    if not name:
        return
    part = work.session.step.device
    menu = menu_of(work, expect, part, {})
    interrupt(menu, said, "uefi-shell-menu-interrupt")
    message = str(said.get("menu_boot_message") or "")
    prompt = str(said.get("menu_prompt") or prompt_of(said))
    menu.pick("uefi-shell-menu-selector", prompt, entries_of(part, name), message)


METHOD = Method(
    name="uefi",
    action="uefi-shell-main-action",
    parameters=UefiParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
