"""Boot `jlink`: flash a microcontroller by a J-Link probe and start it."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class JlinkParameters(BootBlock):
    """The block of `method: jlink`."""

    prompts: list[Text] = Field(default_factory=list)
    commands: list[Text] = Field(default_factory=list)
    coretype: Text = ""


METHOD = Method(
    name="jlink",
    action="boot-jlink-image",
    parameters=JlinkParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
