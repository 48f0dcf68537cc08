"""Boot `uefi-menu`: pick entries of the menu of UEFI."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import LoginBoot
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.loader_boot import power_up
from labq.actions.steps.login import Login
from labq.actions.steps.power import has_command, run_command
from labq.actions.steps.uefi import entries_of, interrupt, menu_of, parameters_of, prompt_of
from labq.actions.steps.work import Work
from labq.actions.values import Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class UefiMenuParameters(LoginBoot):
    """The block of `method: uefi-menu`; `commands` names a set of the device."""

    commands: Text = ""
    line_separator: Text = ""


def check(parameters: UefiMenuParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the set with what the device has."""
    if isinstance(device.get(parameters.commands), list):
        return []
    known = ", ".join(key for key, value in device.items() if isinstance(value, list)) or "none"
    message = f"the device has no entries {parameters.commands!r}, it has: {known}"
    return [Problem(path="commands", message=message)]


def run(session: Session, parameters: UefiMenuParameters) -> None:
    """Follow the entries of the device's menu, log in to what they start."""
    work = Work(session)
    part = session.step.device
    said = parameters_of(part)
    names = {"TEST_MENU_NAME": f"LAVA {parameters.commands} test image"}
    with work.block(METHOD.action):
        bring_overlay(work, fetch=True)
        expect = power_up(work, parameters, reset="fastboot" not in parameters.commands)
        menu = menu_of(work, expect, part, names, separator=parameters.line_separator)
        interrupt(menu, said, "uefi-menu-interrupt")
        if has_command(work, "pre_os_command"):
            run_command(work, "pre-os-command", "pre_os_command")
        entries = entries_of(part, parameters.commands)
        message = str(said.get("boot_message") or "")
        menu.pick("uefi-menu-selector", prompt_of(said), entries, message)
        Login(work, expect, parameters).run()


METHOD = Method(
    name="uefi-menu",
    action="uefi-menu-action",
    parameters=UefiMenuParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
