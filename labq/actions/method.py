"""A method: one way to deploy, boot or test, as the plan and the runner see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

Run = Callable[[Session, Any], None]
Check = Callable[[Any, Mapping[str, object]], list[Problem]]


def no_check(_parameters: object, _device: Mapping[str, object]) -> list[Problem]:
    """Find nothing wrong beyond what the parameter model says."""
    return []


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One registered method.

    `action` is what LAVA calls the work of the whole block, for timeouts by name. `parameters`
    parses the block of the definition. `check` compares them with the device dictionary and returns
    paths relative to the block. `run` does the work of the step `kind` in `queue`; `download`, where
    it is not None, is a step of its own before it. Both raise a LabqError. Without `run` the method
    is known but not driven: a job that has it fails when it starts. `replays` marks a step that is a
    pure function of its journal.
    """

    name: str
    action: str = ""
    parameters: type[BaseModel]
    kind: StepKind
    queue: Queue
    run: Run | None = None
    download: Run | None = None
    check: Check = no_check
    replays: bool = False
