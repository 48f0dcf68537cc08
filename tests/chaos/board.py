"""A device that records its own sessions: two at once are written down as a violation.

Each place where a step can be held has a gate, a file that lets it go on when it exists.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.lab.devices import PROMPT
from tests.lab.files import FileServer
from tests.lab.jobs import boot, definition, deploy, interactive, say, wait_for_file
from tests.lab.server import Server

STEPS = ("download", "deploy", "boot", "test", "collect")
LINES = 300
CASES = 5
TYPE = "recorder"

# The lock goes to everything the session starts: it is free only when all of that is gone.
SESSION = """\
#!/bin/sh
exec 9>>{folder}/session.lock
flock -n 9 || {{ date +%s.%N >>{folder}/violations; exit 1; }}
echo begin >>{folder}/sessions
{boot_gate}
exec env -u ENV PS1={prompt} sh -i
"""
TEMPLATE = """\
{{% extends 'shell.jinja2' %}}
{{% set user_commands = {{'hold': {{'do': {hold}, 'undo': 'true'}}}} %}}
{{% block commands %}}
  connect: 'cd {{FOLDER}} && exec sh {script}'
  power_off: {power_off}
{{% endblock %}}
"""


@dataclass(frozen=True, slots=True)
class Board:
    """One such device; its records and gates lie in `folder`."""

    name: str
    folder: Path

    def gate(self, step: str) -> Path:
        """Return the file that lets a step go on."""
        return self.folder / f"go-{step}"

    def open(self, *steps: str) -> None:
        """Let steps go on."""
        for step in steps:
            self.gate(step).touch()

    def violations(self) -> list[str]:
        """Return the moments of sessions that began beside another."""
        return _lines(self.folder / "violations")

    def sessions(self) -> int:
        """Return how often a session began."""
        return len(_lines(self.folder / "sessions"))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def add(server: Server, folder: Path, name: str) -> Board:
    """Add such a device to a running server."""
    folder.mkdir()
    board = Board(name, folder)
    script = folder / "session.sh"
    script.write_text(
        SESSION.format(
            folder=shlex.quote(str(folder)),
            boot_gate=wait_for_file(board.gate("boot")),
            prompt=shlex.quote("labq-shell:$ "),
        )
    )
    template = TEMPLATE.format(
        hold=_quoted(wait_for_file(board.gate("deploy"))),
        script=shlex.quote(str(script)),
        power_off=_quoted(wait_for_file(board.gate("collect"))),
    )
    words = ("device", "add", name, "-", "--type", TYPE, "--health", "good")
    done = server.cli(*words, stdin=template)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return board


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def job(board: Board, files: FileServer) -> str:
    """Return a job whose five kinds of steps each wait for a gate."""
    files.add(f"{board.name}.bin", b"image")
    burst = f"for n in $(seq 1 {LINES}); do echo line-$n-of-$n; done"
    script = [
        say(burst),
        say(wait_for_file(board.gate("test"))),
        say(burst.replace("line", "late")),
        *(say(f"echo result {number}", f"case-{number}") for number in range(CASES)),
    ]
    return definition(
        TYPE,
        deploy("download", images={"image": {"url": files.gated(f"{board.name}.bin")}}),
        {"command": {"name": "hold"}},
        boot("minimal", prompts=[PROMPT], timeout={"seconds": 90}),
        interactive(*script, prompts=[PROMPT], timeout={"seconds": 90}),
        name=board.name,
        device=board.name,
    )


def open_all_but(board: Board, files: FileServer, held: str) -> None:
    """Let all steps go on but one."""
    board.open(*(step for step in STEPS if step != held))
    if held != "download":
        open_step(board, files, "download")


def open_step(board: Board, files: FileServer, step: str) -> None:
    """Let a step go on."""
    board.open(step)
    if step == "download":
        files.gates.open(f"{board.name}.bin")
