"""Boot `pyocd`: flash a microcontroller by pyOCD and start it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.steps import board, tool, usb
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.image_arguments import deployed, image_arguments
from labq.actions.steps.work import Work
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class PyocdParameters(BootBlock):
    """The block of `method: pyocd`."""


def check(_parameters: PyocdParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    if lookup(device, "parameters", "command"):
        return []
    return [Problem(path="method", message="the device has no command for pyOCD")]


def run(session: Session, _parameters: PyocdParameters) -> None:
    """Reset the board, flash each image, then open the console."""
    work = Work(session)
    with work.block(METHOD.action):
        if board.reset(work):
            usb.wait_for_board(work)
        tool.flash(work, "flash-pyocd", list(_commands(session)))
        board.open_console(work)


def _commands(session: Session) -> Iterator[list[str]]:
    known = lookup(session.step.device, "parameters")
    options = texts(known.get("options")) if isinstance(known, Mapping) else []
    base = [str(lookup(session.step.device, "parameters", "command"))]
    base += [word for text in options for word in tool.words_of(text)]
    base += ["--board", usb.board_of(session.plan.dictionary).serial]
    arguments = image_arguments(session)
    for label, path in deployed(session).items():
        words = tool.words_of(arguments.get(label, "")) or [f"{{{label}}}"]
        yield [*base, *(tool.filled(word, {label: str(path)}) for word in words)]


METHOD = Method(
    name="pyocd",
    action="boot-pyocd-image",
    parameters=PyocdParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
