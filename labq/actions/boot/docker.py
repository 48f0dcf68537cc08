"""Boot `docker`: a shell in the deployed container."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.steps.container_shell import start_shell
from labq.actions.steps.work import Work
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class DockerBootParameters(PromptBoot):
    """The block of `method: docker`; `downloads-namespace` says whose downloads it sees."""

    command: Text
    downloads_namespace: Text = Field(default="", alias="downloads-namespace")


def run(session: Session, parameters: DockerBootParameters) -> None:
    """Start the container and wait for its prompt."""
    work = Work(session)
    with work.block(METHOD.action):
        start_shell(
            work,
            "docker-run",
            parameters.command,
            parameters.prompts,
            downloads=parameters.downloads_namespace,
        )


METHOD = Method(
    name="docker",
    action="boot-docker",
    parameters=DockerBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
)
