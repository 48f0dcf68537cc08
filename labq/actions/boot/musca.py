"""Boot `musca`: power on a Musca board that was flashed."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.domain.plan import Queue, StepKind


class MuscaBootParameters(PromptBoot):
    """The block of `method: musca`."""


METHOD = Method(
    name="musca",
    action="musca-boot",
    parameters=MuscaBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
