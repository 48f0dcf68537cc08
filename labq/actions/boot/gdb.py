"""Boot `gdb`: load an image into a microcontroller by a debugger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from labq.actions.method import Method
from labq.actions.parameters import BootBlock, DockerOptions
from labq.actions.steps import board, docker, tool, usb
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.work import Work, expired
from labq.actions.values import Text
from labq.domain.errors import JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect, alternative
from labq.hw.session import Emulator, Session

CHANNEL = "gdb"
_PROMPT = r"\(gdb\) "


class GdbParameters(BootBlock):
    """The block of `method: gdb`; `commands` names a set of the device."""

    commands: Text
    container: Text = ""


def check(parameters: GdbParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    problems = []
    if not lookup(device, "parameters", "command"):
        problems.append(Problem(path="method", message="the device has no command for GDB"))
    for key in ("commands", "arguments"):
        if not isinstance(lookup(device, parameters.commands, key), list):
            text = f"the device has no set {parameters.commands!r} with a list of {key}"
            problems.append(Problem(path="commands", message=text))
    if parameters.container and not _uses_docker(device, parameters):
        text = "the device runs its debugger in no container"
        problems.append(Problem(path="container", message=text))
    return problems


def run(session: Session, parameters: GdbParameters) -> None:
    """Reset the board, open its console, and let the debugger load and start the image.

    The debugger goes on until the run is over: it is what the board runs under.
    """
    work = Work(session)
    with work.block(METHOD.action):
        board.reset(work)
        usb.wait_for_serial(work)
        board.open_console(work)
        values = {label.upper(): str(path) for label, path in deployed(session).items()}
        argv = _command(work, parameters, values)
        lines = texts(lookup(session.step.device, parameters.commands, "commands"))
        _debug(work, argv, [tool.filled(line, values) for line in lines])


def _debug(work: Work, argv: list[str], lines: list[str]) -> None:
    """Start the debugger and send it the lines, each at its prompt, and `continue`."""
    session = work.session
    seconds = work.seconds(METHOD.action)
    with work.action("boot-gdb-retry", case=True) as deadline:
        work.info(f"Calling: {argv!r}")
        emulator = Emulator(
            argv=tuple(argv), channel=CHANNEL, cwd=session.folder, has_terminal=True
        )
        expect = Expect(session.start(emulator))
        for line in [*lines, ""]:
            if expect.wait([alternative("prompt", _PROMPT)], deadline) is None:
                facts = f"no prompt of GDB came; it said last: {expect.tail() or 'nothing'}"
                raise expired("boot-gdb-retry", seconds, facts)
            if line:
                expect.send(line.encode() + b"\n")
        pause = lookup(session.step.device, "parameters", "wait_before_continue")
        expect.pause(float(pause) if isinstance(pause, int | float) else 0.0)
        expect.send(b"continue\n")


def _uses_docker(device: Mapping[str, object], parameters: GdbParameters) -> bool:
    return lookup(device, parameters.commands, "docker", "use") is True


def _command(work: Work, parameters: GdbParameters, values: Mapping[str, str]) -> list[str]:
    device = work.session.step.device
    argv = [str(lookup(device, "parameters", "command"))]
    for text in texts(lookup(device, parameters.commands, "arguments")):
        argv += [tool.filled(word, values) for word in tool.words_of(text)]
    if not _uses_docker(device, parameters):
        return argv
    image = parameters.container or lookup(device, parameters.commands, "docker", "container")
    if not image:
        raise JobError("the device names no container for its debugger, and the job none either")
    folders = sorted({Path(path).parent for path in values.values()})
    nodes = texts(lookup(device, parameters.commands, "docker", "devices"))
    container = replace(
        docker.container_of(work, str(image), DockerOptions(local=True)),
        mounts=tuple(docker.Mount(folder, str(folder)) for folder in folders),
        devices=tuple(f"{node}:{node}:rw" for node in nodes),
    )
    with work.action("docker-run") as deadline:
        docker.prepare(work, container, deadline)
    return container.run(*argv, terminal=True)


METHOD = Method(
    name="gdb",
    action="boot-gdb",
    parameters=GdbParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
