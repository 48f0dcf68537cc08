"""The shell of a container beside the device: its console, its mounts and what its tests are told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from labq.actions.parameters import Docker
from labq.actions.steps import usb_nodes
from labq.actions.steps.bring import Brought
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.docker import Container, Mount, container_of, method_options, prepare
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.plan import ConsoleSpec
from labq.hw.expect import Expect
from labq.hw.session import Session

PROMPT = "docker-test-shell:"
DOWNLOADS = "/lava-downloads"
USB = Path("/dev/bus/usb")
_USB_RULE = "--device-cgroup-rule=c 189:* rwm"
_END_SECONDS = 60.0
_POWER_COMMANDS = ("hard_reset", "power_on", "power_off")


def channel_of(action: int) -> str:
    """Return the channel of the container of a block."""
    return f"docker-test-{action}"


def console_of(action: int) -> ConsoleSpec:
    """Return the console of the container of a block: a script that the step writes starts it."""
    command = f"exec sh {{FOLDER}}/docker-test-{action}/start"
    return ConsoleSpec(channel=channel_of(action), kind="pty", primary=False, command=command)


def folder_of(session: Session) -> Path:
    """Return the folder of the step's container on the host."""
    return session.folder / f"docker-test-{session.step.action}"


def environment_of(dictionary: Mapping[str, object]) -> dict[str, str]:
    """Return what tests in a container are told of the device beside what all tests are told."""
    found: dict[str, str] = {}
    if board := board_id(dictionary):
        found |= {"ANDROID_SERIAL": board, "LAVA_BOARD_ID": board}
    found |= _connections(dictionary)
    for name in _POWER_COMMANDS:
        if commands := texts(lookup(dictionary, "commands", name)):
            found[f"LAVA_{name.upper()}_COMMAND"] = " && ".join(commands)
    delays = dictionary.get("character_delays")
    for name in ("deploy", "boot", "test"):
        if isinstance(delays, Mapping) and name in delays:
            found[f"LAVA_{name.upper()}_CHARACTER_DELAYS"] = str(delays[name])
    return found


def board_id(dictionary: Mapping[str, object]) -> str:
    """Return the serial number of the device on USB, empty when it has none."""
    infos = dictionary.get("device_info")
    first = infos[0] if isinstance(infos, list | tuple) and infos else {}
    return str(first.get("board_id") or "") if isinstance(first, Mapping) else ""


def _connections(dictionary: Mapping[str, object]) -> dict[str, str]:
    found = {}
    if connect := lookup(dictionary, "commands", "connect"):
        found["LAVA_CONNECTION_COMMAND"] = str(connect)
    named = lookup(dictionary, "commands", "connections")
    for name, connection in named.items() if isinstance(named, Mapping) else ():
        if not isinstance(connection, Mapping) or not (connect := connection.get("connect")):
            continue
        found[f"LAVA_CONNECTION_COMMAND_{str(name).upper()}"] = str(connect)
        if "primary" in texts(connection.get("tags")):
            found["LAVA_CONNECTION_COMMAND"] = str(connect)
    return found


def container(work: Work, docker: Docker, brought: Brought, downloads: str) -> Container:
    """Return the container for a test: the overlay, downloads of a namespace, the board on USB."""
    before, options = method_options(work.session)
    made = container_of(work, docker.image, docker)
    nodes = usb_nodes.nodes_of(work.session.plan.dictionary.get("device_info"))
    has_usb = bool(board_id(work.session.plan.dictionary)) and USB.is_dir()
    named = f"lava-docker-test-shell-{work.session.plan.job}-{work.session.step.action}"
    return replace(
        made,
        name=made.name if docker.container_name else named,
        global_options=before,
        options=(*options, *([_USB_RULE] if has_usb else [])),
        mounts=tuple(_mounts(work.session, brought, downloads, has_usb)),
        devices=tuple(str(node) for node in nodes if not node.is_relative_to(USB)),
        environment={"PS1": f"{PROMPT}$ "},
    )


def _mounts(session: Session, brought: Brought, downloads: str, has_usb: object) -> Iterator[Mount]:
    yield Mount(brought.folder, brought.root)
    namespace = downloads or session.step.namespace
    folder = session.folder / "downloads" / namespace
    if folder.is_dir():
        yield Mount(folder, DOWNLOADS)
    if has_usb:
        # As a whole: a board that restarts comes back as another node.
        yield Mount(USB, str(USB))


def open_shell(work: Work, made: Container, deadline: Deadline) -> Expect:
    """Bring the image, start the container on the step's console, and return it."""
    session = work.session
    # What an earlier try or a worker that died has left.
    session.disconnect(session.step.channel)
    prepare(work, made, deadline)
    argv = made.run("bash", "--norc", "-i", terminal=True)
    work.debug(f"Starting docker test shell container: {shlex.join(argv)}")
    script = folder_of(session) / "start"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(f"exec {shlex.join(argv)}\n")
    return Expect(session.console())


def close_shell(work: Work, made: Container) -> None:
    """End the container and its console."""
    session = work.session
    session.disconnect(session.step.channel)
    argv = ["docker", *made.global_options, "rm", "--force", "--volumes", made.name]
    session.run(argv, Deadline.after(_END_SECONDS))
