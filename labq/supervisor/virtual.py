"""Virtual devices of `labq up`: kinds, what each needs on this machine, their device files."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.services.bootstrap import NewDevice

MOST_OF_A_KIND = 1000
FASTBOOT_PORT = 5554


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of virtual device: the device type, the program and image it needs, where from."""

    name: str
    device_type: str
    program: str
    group: str
    image: str = ""


KINDS = (
    Kind("shell", "shell", "sh", ""),
    Kind("uml", "uml", "linux.uml", "uml"),
    Kind("qemu", "qemu", "qemu-system-x86_64", "qemu-x86"),
    Kind("uboot", "qemu-uboot", "qemu-system-aarch64", "qemu-arm", "arm64/u-boot.bin"),
    Kind("fastboot", "fastboot-board", "fastboot", "fastboot"),
)


def parse(text: str) -> dict[str, int]:
    """Return how many of each kind `uml=2,shell=4` asks for; raises ConfigurationError."""
    counts: dict[str, int] = {}
    names = [kind.name for kind in KINDS]
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\w+)=(\d{1,4})", word)
        if not match or match[1] not in names or int(match[2]) > MOST_OF_A_KIND:
            raise ConfigurationError(
                f"--devices: {word!r} is not KIND=NUMBER with a kind of {', '.join(names)} "
                f"and a number up to {MOST_OF_A_KIND}"
            )
        counts[match[1]] = int(match[2])
    return counts


def check_programs(text: str, cache: Path) -> None:
    """Raise InfrastructureError when this machine lacks what the asked kinds need."""
    for kind in _asked(parse(text)):
        if not shutil.which(kind.program):
            raise InfrastructureError(
                f"{kind.program} not found, {kind.name} devices need it: "
                f"run `deploy/system-programs {kind.group}`, or install it"
            )
        if kind.image and not (cache / "images" / kind.image).exists():
            raise InfrastructureError(
                f"{cache / 'images' / kind.image} not found, {kind.name} devices need it: "
                "run `deploy/system-programs` and `deploy/images`"
            )


def devices(text: str, cache: Path, state: Path) -> list[NewDevice]:
    """Return the devices that `text` asks for, numbered from 1 in each kind."""
    counts = parse(text)
    return [
        NewDevice(
            f"{kind.name}-{number}",
            kind.device_type,
            _device_file(kind, cache, loopback_address(state, number)),
        )
        for kind in _asked(counts)
        for number in range(1, counts[kind.name] + 1)
    ]


def loopback_address(state: Path, number: int) -> str:
    """Return an address for a device that listens: its own, and that of no other labq here."""
    digest = hashlib.sha256(f"{state.resolve()}/{number}".encode()).digest()
    second, third, fourth = (1 + byte % 254 for byte in digest[:3])
    return f"127.{second}.{third}.{fourth}:{FASTBOOT_PORT}"


def with_cached_programs(path: str, cache: Path) -> str:
    """Return the program search path with the cache's programs at its end."""
    own = str(cache / "system" / "bin")
    words = path.split(os.pathsep)
    return path if own in words else os.pathsep.join([*words, own])


def file_folders(given: str, cache: Path) -> str:
    """Return the folders that jobs may fetch files from: the given ones and the images."""
    words: Sequence[str] = [word for word in given.split(":") if word]
    return ":".join([*words, str(cache / "images")])


def _asked(counts: dict[str, int]) -> Iterable[Kind]:
    return (kind for kind in KINDS if counts.get(kind.name))


def _device_file(kind: Kind, cache: Path, address: str) -> str:
    extends = f"{{% extends 'labq/{kind.device_type}.jinja2' %}}\n"
    if kind.name == "fastboot":
        return f"{extends}{{% set fastboot_address = '{address}' %}}\n"
    if not kind.image:
        return extends
    image = str(cache / "images" / kind.image).replace("\\", "\\\\").replace("'", "\\'")
    return f"{extends}{{% set uboot_binary = '{image}' %}}\n"
