"""Boot `qemu`: start the emulator that is the device, and log in on its console."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import BootParameters, Docker
from labq.actions.steps import emulator
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.login import Login
from labq.actions.steps.qemu_command import command_line
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Maybe, Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


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


METHOD = Method(
    name="qemu",
    action="boot-image-retry",
    parameters=QemuParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
