"""Boot `openocd`: flash a microcontroller by OpenOCD and start it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.steps import board, tool, usb
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.work import Work
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_SCRIPT = "openocd_script"
"""The label of an image that is a configuration of OpenOCD."""


class OpenocdParameters(BootBlock):
    """The block of `method: openocd`."""


def check(_parameters: OpenocdParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    if lookup(device, "parameters", "command"):
        return []
    return [Problem(path="method", message="the device has no command for OpenOCD")]


def run(session: Session, _parameters: OpenocdParameters) -> None:
    """Reset the board, open its console, then flash."""
    work = Work(session)
    with work.block(METHOD.action):
        if board.reset(work):
            usb.wait_for_board(work)
        board.open_console(work)
        tool.flash(work, "flash-openocd", [_command(session)])


def _command(session: Session) -> list[str]:
    """Return the command line: the job's own script instead of the device's, where it has one."""
    usb.board_of(session.plan.dictionary)
    known = lookup(session.step.device, "parameters", "options")
    options = known if isinstance(known, Mapping) else {}
    paths = {label: str(path) for label, path in deployed(session).items()}
    script = paths.pop(_SCRIPT, None)
    argv = [str(lookup(session.step.device, "parameters", "command"))]
    for name in [script] if script else texts(options.get("file")):
        argv += ["-f", name]
    if selection := session.step.device.get("board_selection_cmd"):
        argv += ["-f", str(_selection(session, str(selection)))]
    argv.append(f"-d{options.get('debug', 2)}")
    for key, option in (("search", "-s"), ("command", "-c")):
        for text in texts(options.get(key)):
            argv += [option, text]
    values = {label.upper(): path for label, path in paths.items()}
    return [tool.filled(word, values) for word in argv]


def _selection(session: Session, command: str) -> Path:
    path = session.folder / f"openocd-{session.step.action}" / "board_selection.cfg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(command)
    return path


METHOD = Method(
    name="openocd",
    action="boot-openocd-image",
    parameters=OpenocdParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
