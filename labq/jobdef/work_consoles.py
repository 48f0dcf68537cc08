"""Which console each block of a job works at: the primary one, another of the device, a container's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labq.actions.boot.fvp import FvpBootParameters
from labq.actions.boot.new_connection import NewConnectionParameters
from labq.actions.steps import docker_shell
from labq.actions.test.docker import DockerTestParameters
from labq.domain.model_channels import feedback_channel
from labq.domain.plan import ConsoleSpec
from labq.jobdef.blocks import Resolved


def channels(blocks: Sequence[Resolved]) -> list[str]:
    """Return the channel of each block, empty for the primary console.

    A boot by `new_connection` opens a console for its namespace, one by `fvp` a console for each of
    its feedbacks, in a namespace of that name; tests that have this namespace or
    name it as `connection-namespace` work at it.
    """
    opened: dict[str, str] = {}
    found = []
    for one in blocks:
        match one.parameters:
            case NewConnectionParameters(connection=connection):
                opened[one.block.namespace] = connection
                found.append(connection)
            case FvpBootParameters(feedbacks=patterns):
                names = [feedback_channel(text, place) for place, text in enumerate(patterns)]
                opened |= {name: name for name in names}
                found.append("")
            case DockerTestParameters():
                found.append(docker_shell.channel_of(one.block.position))
            case _:
                name = one.keys.connection_namespace or one.block.namespace
                found.append(opened.get(name, "") if one.block.kind == "test" else "")
    return found


def consoles(specs: Sequence[ConsoleSpec], blocks: Sequence[Resolved]) -> tuple[ConsoleSpec, ...]:
    """Return the consoles of a job: the device's with their namespaces, and those of containers."""
    opened = {
        one.parameters.connection: one.block.namespace
        for one in blocks
        if isinstance(one.parameters, NewConnectionParameters)
    }
    first = next((one.block.namespace for one in blocks if _starts(one)), "")
    known = [
        replace(spec, namespace=opened.get(spec.channel, first if spec.primary else spec.namespace))
        for spec in specs
    ]
    containers = [
        docker_shell.console_of(one.block.position)
        for one in blocks
        if isinstance(one.parameters, DockerTestParameters)
    ]
    return (*known, *containers)


def _starts(one: Resolved) -> bool:
    return one.block.kind == "boot" and not isinstance(one.parameters, NewConnectionParameters)
