"""Test `docker`: run Lava-Test definitions in the shell of a container beside the device."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from labq.actions.definitions_parameters import DefinitionsParameters, check
from labq.actions.method import Method
from labq.actions.parameters import Docker
from labq.actions.steps import docker_shell
from labq.actions.steps.bring import Brought, bring_to_folder
from labq.actions.steps.power import primary_console
from labq.actions.steps.shell import Shell
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Text
from labq.domain.errors import JobError
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

ACTION = "lava-docker-test-shell"


class DockerTestParameters(DefinitionsParameters):
    """A test block with `definitions` and `docker`.

    `downloads-namespace` says whose downloads the container sees; `disconnect_connection` closes
    the device's console first.
    """

    docker: Docker
    downloads_namespace: Text = Field(default="", alias="downloads-namespace")
    disconnect_connection: Flag = False


def run(session: Session, parameters: DockerTestParameters) -> None:
    """Run the definitions of this stage in a container that is gone when they are over."""
    work = Work(session)
    with work.block("lava-docker-test"):
        brought = _bring(work)
        if parameters.disconnect_connection:
            session.disconnect(primary_console(session.plan).channel)
        downloads = parameters.downloads_namespace
        container = docker_shell.container(work, parameters.docker, brought, downloads)
        try:
            with work.action("docker-run") as deadline:
                expect = docker_shell.open_shell(work, container, deadline)
            stage = session.step.stage or 0
            Shell(
                work,
                expect,
                prompts=[docker_shell.PROMPT],
                root=brought.root,
                shell=brought.shell,
                stage=stage,
                definitions=brought.definitions[stage],
                action=ACTION,
                fatal=(),
            ).run()
        finally:
            docker_shell.close_shell(work, container)


def _bring(work: Work) -> Brought:
    session = work.session
    if session.step.overlay is None:
        raise JobError("the plan has no definitions for the container of this test")
    with work.action("lava-docker-test-set-environment", case=True):
        told = docker_shell.environment_of(session.plan.dictionary)
        spec = session.step.overlay
        spec = replace(spec, environment={**spec.environment, **told})
    return bring_to_folder(work, spec, docker_shell.folder_of(session) / "overlay")


METHOD = Method(
    name="docker",
    action="lava-docker-test",
    parameters=DockerTestParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    run=run,
    check=check,
)
