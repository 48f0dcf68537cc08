"""The command line of an emulator that is the device: of the dictionary, with the job's images."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.image_arguments import image_arguments
from labq.actions.steps.images import images
from labq.domain.errors import JobError
from labq.hw.session import Session

_LABEL = re.compile(r"\{([^{}\s]+)\}")


def command_line(session: Session) -> list[str]:
    """Return the dictionary's command with its options, then the arguments of the images."""
    parameters = lookup(session.step.device, "parameters")
    if not isinstance(parameters, Mapping) or not parameters.get("command"):
        raise JobError("the device has no command for QEMU: actions.boot.methods.qemu.parameters")
    words = [*shlex.split(str(parameters["command"]))]
    for key in ("options", "extra"):
        words += [word for text in texts(parameters.get(key)) for word in _split(text)]
    paths = images(session)
    for text in image_arguments(session).values():
        words += [_filled(word, paths) for word in _split(text)]
    return words


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise JobError(f"arguments {text!r} are not quoted well: {error}") from error


def _filled(word: str, paths: Mapping[str, Path]) -> str:
    """Return the word with `{label}` replaced; unknown names in braces stay."""

    def _path(place: re.Match[str]) -> str:
        path = paths.get(place.group(1))
        return place.group(0) if path is None else str(path)

    return _LABEL.sub(_path, word)
