"""Boot `nodebooter`: a shell in a container that starts a node."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.steps.container_shell import start_shell
from labq.actions.steps.work import Work
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class NodebooterParameters(PromptBoot):
    """The block of `method: nodebooter`; `downloads-namespace` says whose downloads it sees."""

    command: Text
    downloads_namespace: Text = Field(default="", alias="downloads-namespace")


def run(session: Session, parameters: NodebooterParameters) -> None:
    """Start the container and wait for its prompt."""
    work = Work(session)
    with work.block(METHOD.action):
        start_shell(
            work,
            "run-nodebooter-container",
            parameters.command,
            parameters.prompts,
            downloads=parameters.downloads_namespace,
        )


METHOD = Method(
    name="nodebooter",
    action="boot-nodebooter",
    parameters=NodebooterParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
)
