"""Boot `qemu`: start the emulator that is the device, and log in on its console."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import BootParameters, Docker
from labq.actions.steps import emulator
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.images import images
from labq.actions.steps.login import Login
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Maybe, Text
from labq.domain.errors import JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_LABEL = re.compile(r"\{([^{}\s]+)\}")


class QemuDocker(Docker):
    """A container with QEMU; `binary` is its program in there."""

    binary: Text = ""


class QemuParameters(BootParameters):
    """The block of `method: qemu`."""

    media: Maybe[Literal["tmpfs"]] = None
    connection: Maybe[Literal["serial"]] = None
    docker: Maybe[QemuDocker] = None


def check(parameters: QemuParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what labq does not drive."""
    if parameters.docker is None:
        return []
    return [Problem(path="docker", message="QEMU in a container is not supported by this labq")]


def run(session: Session, parameters: QemuParameters) -> None:
    """Start the emulator and log in."""
    work = Work(session)
    with work.block("boot-image-retry"):
        bring_overlay(work, fetch=True)
        expect = emulator.start(work, command_line(session), {})
        Login(work, expect, parameters).run()
        transfer_overlay(work, expect, parameters)


def command_line(session: Session) -> list[str]:
    """Return the dictionary's command with its options, then the arguments of the images."""
    parameters = lookup(session.step.device, "parameters")
    if not isinstance(parameters, Mapping) or not parameters.get("command"):
        raise JobError("the device has no command for QEMU: actions.boot.methods.qemu.parameters")
    words = [*shlex.split(str(parameters["command"]))]
    for key in ("options", "extra"):
        words += [word for text in texts(parameters.get(key)) for word in _split(text)]
    paths = images(session)
    for text in _image_arguments(session):
        words += [_filled(word, paths) for word in _split(text)]
    return words


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise JobError(f"arguments {text!r} are not quoted well: {error}") from error


def _image_arguments(session: Session) -> Iterator[str]:
    """Yield `image_arg` of the images that were deployed last in this namespace."""
    for step in reversed(session.plan.steps[: session.step.index]):
        found = step.parameters.get("images")
        if step.namespace == session.step.namespace and isinstance(found, Mapping):
            for image in found.values():
                if isinstance(image, Mapping) and image.get("image_arg"):
                    yield str(image["image_arg"])
            return


def _filled(word: str, paths: Mapping[str, Path]) -> str:
    """Return the word with `{label}` replaced; unknown names in braces stay."""

    def _path(place: re.Match[str]) -> str:
        path = paths.get(place.group(1))
        return place.group(0) if path is None else str(path)

    return _LABEL.sub(_path, word)


METHOD = Method(
    name="qemu",
    action="boot-image-retry",
    parameters=QemuParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
