"""Boot `nodebooter`: a shell in a container that starts a node."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class NodebooterParameters(PromptBoot):
    """The block of `method: nodebooter`; `downloads-namespace` says whose downloads it sees."""

    command: Text
    downloads_namespace: Text = Field(default="", alias="downloads-namespace")


METHOD = Method(
    name="nodebooter",
    action="boot-nodebooter",
    parameters=NodebooterParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
