"""The lab of `labq demo`: the running one, or one of its own beside the user's state folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labq import config
from labq.cli.api import Api
from labq.cli.demo_job import Board
from labq.cli.failures import Failed
from labq.cli.output import Progress, duration
from labq.cli.server import Server, read_server, running_file
from labq.domain.deadline import Deadline

START_SECONDS = 180.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
PROGRAM = "from labq.cli import main; main(prog_name='labq')"
SCRIPTS = Path(__file__).resolve().parents[2] / "deploy"


@dataclass(frozen=True, slots=True)
class Lab:
    """A server to run the demo on; `state` and `pid` are set when the demo started it."""

    server: Server
    state: Path | None = None
    pid: int | None = None


def prepare_images(board: Board, images: Path) -> None:
    """Fetch and build what the board boots, where the project's own scripts are at hand."""
    if all((images / name).exists() for name in board.images):
        return
    for script in (SCRIPTS / "system-programs", SCRIPTS / "images"):
        if script.exists() and subprocess.run([sys.executable, script], check=False).returncode:
            raise Failed(f"{script} failed: what it said stands above")


def find_running(board: Board) -> Lab | None:
    """Return a running server of this user, or of an earlier demo, that has such a board."""
    for path in (running_file(), _state() / "server.json"):
        server = read_server(path)
        if server is not None and _has_board(server, board):
            return Lab(server)
    return None


def _has_board(server: Server, board: Board) -> bool:
    try:
        with Api(server) as api:
            kinds = {kind["name"]: kind["fit"] for kind in api.pages("/device-types")}
    except Failed:
        return False
    return bool(kinds.get(board.device_type))


def _state() -> Path:
    """Return the demo's state folder, beside the user's own."""
    state = config.load().state
    return state.with_name(f"{state.name}-demo")


@contextmanager
def started(board: Board, *, is_kept: bool) -> Iterator[Lab]:
    """Give a lab of the demo's own; it ends with the block unless it is kept."""
    state = _state()
    with tempfile.TemporaryDirectory(prefix="labq-demo-") as folder:
        ready, log = Path(folder) / "ready.json", Path(folder) / "up.log"
        process = _start(board, state, ready, log)
        is_good = False
        try:
            _wait(process, ready, log)
            facts = json.loads(ready.read_text())
            server = Server(facts["url"], facts["token"], "labq demo")
            yield Lab(server, state, facts["pid"])
            is_good = True
        finally:
            if not (is_kept and is_good):
                _stop(process)


def _start(board: Board, state: Path, ready: Path, log: Path) -> subprocess.Popen[bytes]:
    words = ("--state", state, "--port", "0", "--devices", f"{board.option}=1")
    command = (sys.executable, "-c", PROGRAM, "up", *words, "--ready-file", ready)
    environment = {name: text for name, text in os.environ.items() if name != "LABQ_STATE"}
    with log.open("wb") as out:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], ready: Path, log: Path) -> None:
    progress, begun = Progress(), time.monotonic()
    deadline = Deadline.after(START_SECONDS)
    while not (ready.exists() and ready.stat().st_size):
        progress.show(f"starting labq ({duration(time.monotonic() - begun)})")
        if process.poll() is not None or deadline.is_over():
            progress.clear()
            raise Failed(f"labq up did not start:\n{log.read_text(errors='replace').strip()}")
        time.sleep(POLL_SECONDS)
    progress.clear()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the lab as Ctrl-C would, and only when that does not help, by force."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
