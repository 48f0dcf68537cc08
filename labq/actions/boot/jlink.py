"""Boot `jlink`: flash a microcontroller by a J-Link probe and start it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.steps import board, tool, usb
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.work import Work
from labq.actions.values import Text
from labq.domain.errors import ConfigurationError, InfrastructureError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_NOT_FOUND = "Connecting to J-Link via USB...FAILED"


class JlinkParameters(BootBlock):
    """The block of `method: jlink`."""

    prompts: list[Text] = Field(default_factory=list)
    commands: list[Text] = Field(default_factory=list)
    coretype: Text = ""


def check(parameters: JlinkParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks, and a core that the device does not have."""
    known = _parameters(device)
    problems = [
        Problem(path="method", message=f"the device has no {key} for J-Link")
        for key in ("command", "processor")
        if not known.get(key)
    ]
    cores = texts(known.get("supported_core_types"))
    if parameters.coretype and cores and parameters.coretype not in cores:
        text = f"{parameters.coretype!r} is none of the device's: {', '.join(cores)}"
        problems.append(Problem(path="coretype", message=text))
    return problems


def run(session: Session, parameters: JlinkParameters) -> None:
    """Reset the board, open its console, flash, and wait for a prompt where the job has one."""
    work = Work(session)
    with work.block(METHOD.action):
        if board.reset(work):
            usb.wait_for_board(work)
        expect = board.open_console(work)
        script = _script(session, parameters)
        (said,) = tool.flash(work, "flash-jlink", [_command(session, parameters, script)])
        if _NOT_FOUND in said:
            raise InfrastructureError(f"J-Link: {_NOT_FOUND}")
        board.await_prompt(work, expect, parameters.prompts, "expect-shell-connection")


def _parameters(device: Mapping[str, object]) -> Mapping[str, object]:
    found = lookup(device, "parameters")
    return found if isinstance(found, Mapping) else {}


def _command(session: Session, parameters: JlinkParameters, script: Path) -> list[str]:
    """Return the command line of J-Link Commander."""
    known = _parameters(session.step.device)
    cores = texts(known.get("supported_core_types"))
    core = (parameters.coretype or cores[0]) if cores else ""
    processor = f"{known['processor']}_{core}" if core else str(known["processor"])
    options = [word for text in texts(known.get("options")) for word in tool.words_of(text)]
    argv = [str(known["command"]), "-device", processor, *options]
    argv += ["-autoconnect", "1", "-NoGui", "1", "-CommanderScript", str(script)]
    return [*argv, "-SelectEmuBySN", usb.board_of(session.plan.dictionary).serial]


def _script(session: Session, parameters: JlinkParameters) -> Path:
    """Write what J-Link Commander has to do into a file."""
    known = _parameters(session.step.device)
    lines = ["r", "h", "sleep 500", *texts(known.get("erase_command"))]
    lines += _loads(session, parameters, _address(known.get("address")))
    lines += [*texts(known.get("reset_command")), "qc"]
    path = session.folder / f"jlink-{session.step.action}" / "cmd.jlink"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))
    return path


def _loads(session: Session, parameters: JlinkParameters, address: int) -> Iterator[str]:
    paths = deployed(session)
    if parameters.commands:
        values = {label: str(path) for label, path in paths.items()}
        yield from (tool.filled(line, values) for line in parameters.commands)
        return
    for path in paths.values():
        yield f"loadfile {path} 0x{address:x}"
        yield f"verifybin {path} 0x{address:x}"


def _address(value: object) -> int:
    try:
        return int(str(value or 0), 0)
    except ValueError as error:
        raise ConfigurationError(
            f"the device's address for J-Link is no number: {value}"
        ) from error


METHOD = Method(
    name="jlink",
    action="boot-jlink-image",
    parameters=JlinkParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
