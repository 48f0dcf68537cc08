"""Boot `docker`: a shell in the deployed container."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class DockerBootParameters(PromptBoot):
    """The block of `method: docker`; `downloads-namespace` says whose downloads it sees."""

    command: Text
    downloads_namespace: Text = Field(default="", alias="downloads-namespace")


METHOD = Method(
    name="docker",
    action="boot-docker",
    parameters=DockerBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
