"""Boot `grub`: interrupt GRUB, send the commands that start the kernel, log in."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.values import Commands, Flag, TextList
from labq.domain.plan import Queue, StepKind


class GrubParameters(BootParameters):
    """The block of `method: grub`; without `expect_shell` the boot ends at `boot_finished`."""

    commands: Commands
    boot_finished: TextList = Field(default_factory=list)
    expect_shell: Flag = True
    reset: Flag = True
    use_bootscript: Flag = False


METHOD = Method(
    name="grub",
    parameters=GrubParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
