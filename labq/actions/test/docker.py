"""Test `docker`: run Lava-Test definitions in the shell of a container beside the device."""

from __future__ import annotations

from pydantic import Field

from labq.actions.definitions_parameters import DefinitionsParameters, check
from labq.actions.method import Method
from labq.actions.parameters import Docker
from labq.actions.values import Flag, Text
from labq.domain.plan import Queue, StepKind


class DockerTestParameters(DefinitionsParameters):
    """A test block with `definitions` and `docker`.

    `downloads-namespace` says whose downloads the container sees; `disconnect_connection` closes
    the device's console first.
    """

    docker: Docker
    downloads_namespace: Text = Field(default="", alias="downloads-namespace")
    disconnect_connection: Flag = False


METHOD = Method(
    name="docker",
    action="lava-docker-test",
    parameters=DockerTestParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    check=check,
)
