"""Boot `uefi`: send commands to the shell of UEFI."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import LoginBoot
from labq.actions.values import Commands, Text
from labq.domain.plan import Queue, StepKind


class UefiParameters(LoginBoot):
    """The block of `method: uefi`; `shell_menu` is the menu's entry of the shell."""

    commands: Commands
    shell_menu: Text = ""


METHOD = Method(
    name="uefi",
    action="uefi-shell-main-action",
    parameters=UefiParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
