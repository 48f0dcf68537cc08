"""A shell in a container that is the device: started like an emulator, with the tests mounted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labq.actions.parameters import NamedDocker
from labq.actions.steps import board, docker, tool
from labq.actions.steps.docker import Mount
from labq.actions.steps.power import primary_console
from labq.actions.steps.unpack import unpack_tar
from labq.actions.steps.work import Work, namespaced
from labq.config import load
from labq.domain.errors import JobError
from labq.hw.expect import Expect
from labq.hw.session import Emulator, Session

IMAGE = "docker-image"
DOWNLOADS = "/lava-downloads"
"""Where a container sees what deploy `downloads` fetched."""


def remember_image(session: Session, image: NamedDocker) -> None:
    """Remember the image of this namespace; its registry's password is not kept."""
    session.remember(namespaced(session, IMAGE), image.model_dump(exclude={"login"}))


def start_shell(
    work: Work, action: str, command: str, prompts: Sequence[str], *, downloads: str
) -> Expect:
    """Start the deployed container with the command on a terminal, and wait for its prompt."""
    session = work.session
    remembered = session.recall(namespaced(session, IMAGE))
    if not isinstance(remembered, Mapping):
        raise JobError("no image was deployed by `to: docker` in this namespace")
    image = NamedDocker.model_validate(dict(remembered))
    options = session.step.device.get("options")
    known = options if isinstance(options, Mapping) else {}
    with work.action(action, case=True) as deadline:
        container = replace(
            docker.container_of(work, image.name, image),
            is_local=True,
            hostname="lava",
            global_options=("--host", str(known["remote"])) if known.get("remote") else (),
            options=docker.resource_options(known),
            mounts=tuple(_mounts(session, downloads)),
        )
        docker.prepare(work, container, deadline)
        argv = container.run(*tool.words_of(command), terminal=True)
        work.info(f"Calling: {argv!r}")
        channel = primary_console(session.plan).channel
        emulator = Emulator(
            argv=tuple(argv), channel=channel, cwd=session.folder, has_terminal=True
        )
        expect = Expect(session.start(emulator))
    board.await_prompt(work, expect, prompts, "expect-shell-connection")
    return expect


def overlay_mount(session: Session) -> Mount | None:
    """Unpack the overlay of this namespace for a container; None when there is none."""
    archive = session.recall(namespaced(session, "overlay"))
    root = session.recall(namespaced(session, "overlay_root"))
    if not isinstance(archive, str) or not isinstance(root, str):
        return None
    folder = Path(archive).with_suffix(".unpacked")
    shutil.rmtree(folder, ignore_errors=True)
    unpack_tar(Path(archive), folder, limit=load().cache_bytes)
    return Mount(folder / root.lstrip("/"), root)


def downloads_mount(session: Session, namespace: str) -> Mount | None:
    """Return what deploy `downloads` of a namespace (empty: the step's) fetched, None for nothing."""
    folder = session.folder / "downloads" / (namespace or session.step.namespace)
    return Mount(folder, DOWNLOADS) if folder.is_dir() else None


def _mounts(session: Session, downloads: str) -> Iterator[Mount]:
    for one in (overlay_mount(session), downloads_mount(session, downloads)):
        if one is not None:
            yield one
