"""Boot `uefi-menu`: pick entries of the menu of UEFI."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import LoginBoot
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class UefiMenuParameters(LoginBoot):
    """The block of `method: uefi-menu`; `commands` names a set of the device."""

    commands: Text = ""
    line_separator: Text = ""


METHOD = Method(
    name="uefi-menu",
    action="uefi-menu-action",
    parameters=UefiMenuParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
