"""Reads the files of a lab."""

from __future__ import annotations

from pathlib import Path

from labq.cli.device import file as text_file
from labq.cli.failures import Misused
from labq.domain.errors import InvalidInputError, Problem
from labq.jobdef.lab_files import FOLDERS, HostNames
from labq.jobdef.templates import ENDING

CONFIGURATIONS = (
    "instance.yaml",
    "lab.yaml",
    "devices.yaml",
    "device-types.yaml",
    "workers.yaml",
)
"""What lavacli calls its files: `system export` the first one, `lab import` the others."""


def configurations(place: Path) -> dict[str, str]:
    """Return the texts of a file, or of those of a folder that are known."""
    if place.is_file():
        return {place.name: text_file.read(place)}
    found = (place / name for name in CONFIGURATIONS)
    return {path.name: text_file.read(path) for path in found if path.is_file()}


def files(folder: Path) -> dict[str, str]:
    """Return the texts of devices, device types and health checks, named from `folder` on."""
    return {
        f"{name}/{path.name}": text_file.read(path)
        for name, ending in FOLDERS.items()
        for path in sorted((folder / name).glob(f"*{ending}"))
    }


def templates(folder: Path) -> dict[str, str]:
    """Return the templates of a folder by their file names."""
    return {path.name: text_file.read(path) for path in sorted(folder.glob(f"*{ENDING}"))}


def host_names(words: tuple[str, ...]) -> HostNames:
    """Return what `--host NAME` and `--host THEIRS=NAME` say."""
    pairs = [word.partition("=") for word in words]
    alone = [theirs for theirs, sign, _ in pairs if not sign]
    if len(alone) > 1 or (alone and len(pairs) > 1):
        raise Misused("--host NAME stands for all hosts: give it alone, or each as THEIRS=NAME")
    if alone:
        return HostNames(only=alone[0])
    return HostNames(names={theirs: name for theirs, _, name in pairs})


def refuse_nothing(place: Path, found: object) -> None:
    """Raise InvalidInputError for a place in which nothing was found."""
    if not found:
        folders = ", ".join(FOLDERS)
        message = f"holds none of {', '.join(CONFIGURATIONS)}, nor files in {folders}"
        raise InvalidInputError([Problem(str(place), message)])
