"""Deploy `docker`: fetch an image that a container is started from."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from labq.actions.method import Method
from labq.actions.parameters import DeployParameters, NamedDocker
from labq.actions.steps import docker
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.container_shell import remember_image
from labq.actions.steps.images import fetch_all
from labq.actions.steps.work import Work
from labq.actions.values import docker_image
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


def _named(value: object) -> object:
    return {"name": docker_image(value)} if type(value) is str else value


class DockerParameters(DeployParameters):
    """The block of `to: docker`; `image` is a name, or a mapping with the name and more."""

    image: Annotated[NamedDocker, BeforeValidator(_named)]


def fetch(session: Session, parameters: DockerParameters) -> None:
    """Fetch the image, unless it is a local one that is there."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        fetch_all(work, {})
        with work.action("docker-pull", case=True) as deadline:
            docker.fetch_image(
                work, docker.container_of(work, parameters.image.name, parameters.image), deadline
            )


def run(session: Session, parameters: DockerParameters) -> None:
    """Build the overlay and remember the image."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        bring_overlay(work, fetch=False)
        remember_image(session, parameters.image)


METHOD = Method(
    name="docker",
    action="deploy-docker",
    parameters=DockerParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
)
