"""The last step of every run: power off and close the consoles, whatever happened before."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.pending import pending
from labq.domain.plan import Queue, StepKind

METHOD = Method(
    name="collect",
    parameters=Parameters,
    kind=StepKind.COLLECT,
    queue=Queue.COLLECT,
    run=pending,
)
METHODS = (METHOD,)
