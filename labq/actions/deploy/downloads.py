"""Deploy `downloads`: fetch images for later blocks, after work on them in a container."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Docker, Images, Parameters
from labq.actions.steps import docker, fetched, tool
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.docker import Mount
from labq.actions.steps.downloads import downloads_folder
from labq.actions.steps.images import FETCHED, images, remember_images
from labq.actions.steps.work import Work, namespaced
from labq.actions.values import Flag, Maybe, Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_PLACE = "/lava-downloads"
_SCRIPT = "postprocess.sh"


class PostprocessDocker(Docker):
    """A container that runs `steps` in the folder of the images."""

    steps: list[Text]


class Postprocess(Parameters):
    """What is done with the images."""

    docker: PostprocessDocker


class DownloadsParameters(DeployParameters):
    """The block of `to: downloads`; `uniquify` gives each image a folder of its own."""

    images: Images[Artifact]
    postprocess: Maybe[Postprocess] = None
    uniquify: Flag = False


def check(parameters: DownloadsParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what cannot be written into an image."""
    return list(fetched.problems(parameters.images))


def fetch(session: Session, parameters: DownloadsParameters) -> None:
    """Fetch the images as files that later blocks and the container may change."""
    work = Work(session)
    folder = downloads_folder(session)
    with work.block(METHOD.action, closes=False):
        fetched.fetch(
            work,
            parameters.images,
            folder,
            uniquify=parameters.uniquify,
            writable=parameters.images,
        )


def run(session: Session, parameters: DownloadsParameters) -> None:
    """Put the overlay beside the images, and run the steps in the container."""
    work = Work(session)
    folder = downloads_folder(session)
    with work.block(METHOD.action, opens=False):
        entries = bring_overlay(work, fetch=False)
        if entries:
            _copy_overlay(session, folder)
        paths = fetched.with_overlays(work, parameters.images, images(session, FETCHED), entries)
        remember_images(session, {label: str(path) for label, path in paths.items()})
        if parameters.postprocess is not None:
            _postprocess(work, parameters.postprocess.docker, folder)


def _copy_overlay(session: Session, folder: Path) -> None:
    archive = Path(str(session.recall(namespaced(session, "overlay"))))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(archive, folder / archive.name)


def _postprocess(work: Work, parameters: PostprocessDocker, folder: Path) -> None:
    """Run the steps as one script that ends at the first that fails."""
    with work.action("postprocess-with-docker", case=True) as deadline:
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / _SCRIPT
        script.write_text(_script(work.session, parameters.steps))
        script.chmod(0o755)
        container = replace(
            docker.container_of(work, parameters.image, parameters),
            workdir=_PLACE,
            mounts=(Mount(folder, _PLACE),),
        )
        docker.prepare(work, container, deadline)
        tool.must(work, container.run(f"{_PLACE}/{_SCRIPT}"), deadline)


def _script(session: Session, steps: list[str]) -> str:
    spec = session.step.overlay
    values = dict(spec.environment) if spec is not None else {}
    values["LAVA_JOB_ID"] = str(session.plan.job)
    values["LAVA_DISPATCHER_IP"] = str(session.plan.dictionary.get("host_address") or "")
    exports = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    return "\n".join(["#!/bin/sh", "exec 2>&1", "set -ex", *exports, *steps, ""])


METHOD = Method(
    name="downloads",
    action="downloads",
    parameters=DownloadsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
    run=run,
    download=fetch,
    check=check,
)
