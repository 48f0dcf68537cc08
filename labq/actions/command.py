"""Action `command`: run a command of the device dictionary on the host."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.pending import pending
from labq.domain.plan import Queue, StepKind


class CommandParameters(Parameters):
    """The block of `command`."""

    name: str = Field(min_length=1)


METHOD = Method(
    name="command",
    parameters=CommandParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=pending,
)
METHODS = (METHOD,)
