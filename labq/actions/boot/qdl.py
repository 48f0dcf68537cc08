"""Boot `qdl`: push images to a Qualcomm board in its emergency download mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from labq.actions.method import Method
from labq.actions.parameters import BootBlock, Docker
from labq.actions.steps import tool, usb
from labq.actions.steps.boxed import boxed
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.power import connect
from labq.actions.steps.work import Work, namespaced
from labq.actions.values import Flag, Maybe, Text
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class QdlBootParameters(BootBlock):
    """The block of `method: qdl`; files are named as they are in the deployed archive."""

    firehose_program: Text
    rawprogram: Text
    patch: Text = ""
    path: Text = ""
    storage: Text = ""
    debug: Flag = False
    docker: Maybe[Docker] = None


def check(_parameters: QdlBootParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    if lookup(device, "parameters", "command"):
        return []
    return [Problem(path="method", message="the device has no command for QDL")]


def run(session: Session, parameters: QdlBootParameters) -> None:
    """Bring the board into its emergency download mode and push the images."""
    work = Work(session)
    with work.block(METHOD.action):
        wanted = usb.board_of(session.plan.dictionary, ids=True)
        folder = _folder(session, parameters.path)
        command = list(_command(session, parameters))
        connect(work, parameters, reset=True)
        _enter(work)
        usb.wait_for_device(work, "wait-qdl-device", wanted)
        argv = boxed(work, command, parameters.docker, folder)
        tool.flash(work, "flash-qdl", [argv], cwd=folder)


def _enter(work: Work) -> None:
    commands = texts(lookup(work.session.step.device, "parameters", "enter-commands"))
    if commands:
        argvs = [tool.words_of(command) for command in commands]
        tool.flash(work, "enter-qdl", argvs, error=InfrastructureError)


def _folder(session: Session, path: str) -> Path:
    """Return the folder of the unpacked archive that the files are in."""
    remembered = session.recall(namespaced(session, "qdl"))
    if not isinstance(remembered, str):
        raise JobError("nothing was deployed by `to: qdl` in this namespace")
    top = Path(remembered).resolve()
    folder = (top / path).resolve()
    if not folder.is_relative_to(top) or not folder.is_dir():
        raise JobError(f"the archive has no folder {path!r}")
    return folder


def _command(session: Session, parameters: QdlBootParameters) -> Iterator[str]:
    """Yield the words of the command; a job may name several files, with blanks between them."""
    serial = str(session.plan.dictionary.get("board_qdl_id") or "")
    if serial in usb.UNSET_BOARDS:
        raise ConfigurationError("the device's board_qdl_id is not set in its dictionary")
    yield str(lookup(session.step.device, "parameters", "command"))
    if parameters.debug:
        yield "--debug"
    if parameters.storage:
        yield from ("--storage", parameters.storage)
    yield from ("--serial", serial)
    for names in (parameters.firehose_program, parameters.rawprogram, parameters.patch):
        yield from names.split()


METHOD = Method(
    name="qdl",
    action="boot-qdl-retry",
    parameters=QdlBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
    run=run,
    check=check,
)
