"""Flash tools of the host or of a container: the same words, in the container where one is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from labq.actions.parameters import Docker
from labq.actions.steps.docker import Container, Mount, container_of, prepare
from labq.actions.steps.work import Work

_OPTIONS = ("--privileged", "--volume=/dev:/dev")
"""What a tool needs to reach a board on USB, which comes back as another device when it resets."""


def boxed(
    work: Work, argv: Sequence[str], docker: Docker | None, folder: Path, *remote: str
) -> list[str]:
    """Return the words as they run in the container: it sees `folder` and the host's devices.

    `remote` are options of `docker` itself. The image is brought to this host.
    """
    if docker is None:
        return list(argv)
    container = box(work, docker, folder, *remote)
    with work.action("docker-run") as deadline:
        prepare(work, container, deadline)
    return container.run(*argv)


def box(work: Work, docker: Docker, folder: Path, *remote: str) -> Container:
    """Return the container for a flash tool."""
    return replace(
        container_of(work, docker.image, docker),
        global_options=remote,
        options=_OPTIONS,
        network="host",
        mounts=(Mount(folder, str(folder)),),
        workdir=str(folder),
    )
