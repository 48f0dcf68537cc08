"""Test `interactive`: send commands over the console and judge what comes back (LAVA.md b.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Parameters, StringList
from labq.actions.pending import pending
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind

NAME = r"^[-_a-zA-Z0-9.]+$"


class Pattern(Parameters):
    """A regular expression to expect; a failure can name the error it means."""

    message: str
    exception: Literal["InfrastructureError", "JobError", "TestError"] | None = None
    error: str | None = None


class ScriptItem(Parameters):
    """One command, or with `command: null` only a wait."""

    command: str | None = None
    name: str | None = Field(default=None, pattern=NAME)
    successes: list[Pattern] = Field(default_factory=list)
    failures: list[Pattern] = Field(default_factory=list)
    wait_for_prompt: bool = True
    delay: float = 0.0


class InteractiveItem(Parameters):
    """One named script."""

    name: str = Field(pattern=NAME)
    prompts: StringList
    echo: Literal["discard"] | None = None
    expected: list[str] | None = None
    script: list[ScriptItem]


class InteractiveParameters(Parameters):
    """A test block with `interactive`."""

    interactive: list[InteractiveItem] = Field(min_length=1)


def check(parameters: InteractiveParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Refuse doubled names."""
    names = [item.name for item in parameters.interactive]
    return [
        Problem(path=f"interactive[{index}].name", message=f"the name {name!r} is used twice")
        for index, name in enumerate(names)
        if name in names[:index]
    ]


METHOD = Method(
    name="interactive",
    parameters=InteractiveParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    run=pending,
    check=check,
    replays=True,
)
