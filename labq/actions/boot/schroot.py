"""Boot `schroot`: a shell in a chroot of a host that is reached by ssh."""

from __future__ import annotations

from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class SchrootParameters(PromptBoot):
    """The block of `method: schroot`; `schroot` names the chroot."""

    schroot: Text
    connection: Literal["ssh"]


METHOD = Method(
    name="schroot",
    action="schroot-login",
    parameters=SchrootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
