"""Boot `avh`: start the virtual board of Arm's service."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Docker, LoginBoot, Parameters
from labq.actions.values import Maybe, Prompts, Text
from labq.domain.plan import Queue, StepKind


class BootArguments(Parameters):
    """Arguments of the kernel for a normal start and for a restored one."""

    normal: Text = ""
    restore: Text = ""


class AvhBootParameters(LoginBoot):
    """The block of `method: avh`."""

    prompts: Prompts
    bootargs: BootArguments = Field(default_factory=BootArguments)
    docker: Maybe[Docker] = None


METHOD = Method(
    name="avh",
    action="boot-avh",
    parameters=AvhBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
