"""Deploy `docker`: fetch an image that a container is started from."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from labq.actions.method import Method
from labq.actions.parameters import DeployParameters, NamedDocker
from labq.actions.values import docker_image
from labq.domain.plan import Queue, StepKind


def _named(value: object) -> object:
    return {"name": docker_image(value)} if type(value) is str else value


class DockerParameters(DeployParameters):
    """The block of `to: docker`; `image` is a name, or a mapping with the name and more."""

    image: Annotated[NamedDocker, BeforeValidator(_named)]


METHOD = Method(
    name="docker",
    action="deploy-docker",
    parameters=DockerParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
