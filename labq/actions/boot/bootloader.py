"""Boot `bootloader`: stop at the boot loader's prompt, for interactive tests."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.values import Flag, Text
from labq.domain.plan import Queue, StepKind


class BootloaderParameters(PromptBoot):
    """The block of `method: bootloader`; `bootloader` is the method whose loader it is."""

    bootloader: Text
    commands: list[Text] = Field(default_factory=list)
    use_bootscript: Flag = False
    reset_connection: Flag = True
    reset_device: Flag = True
    reset: Flag = True


METHOD = Method(
    name="bootloader",
    parameters=BootloaderParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
