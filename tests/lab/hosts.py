"""Hosts of their own beside a running labq: they join as users have them join, and run until the end."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.server import Server, program
from tests.lab.waiting import until

STOP_SECONDS = 30


@dataclass(frozen=True, slots=True)
class JoinedHost:
    """A machine that joined as a host: its state folder, and the environment of its commands."""

    name: str
    state: Path
    environment: Mapping[str, str]

    @property
    def folder(self) -> Path:
        """Return the folder of the host itself."""
        return self.state / "hosts" / self.name

    def facts(self) -> dict[str, Any]:
        """Return what the host keeps of its join."""
        found: dict[str, Any] = json.loads((self.folder / "host.json").read_text())
        return found

    def cli(self, *words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `labq WORDS` on this machine."""
        return subprocess.run(
            (program(), *words),
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start `labq host run` with its output in `run.log`."""
        with (self.state / "run.log").open("ab") as log:
            return subprocess.Popen(
                (program(), "host", "run", self.name),
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self) -> str:
        """Return what `labq host run` said."""
        return (self.state / "run.log").read_text(errors="replace")


def machine(server: Server, name: str, folder: Path) -> JoinedHost:
    """Return a machine with a state folder of its own that knows nothing of the server."""
    state = folder / name
    state.mkdir()
    plain = {key: text for key, text in server.environment.items() if not key.startswith("LABQ_")}
    home = {"LABQ_STATE": str(state), "XDG_CONFIG_HOME": str(state / "config")}
    return JoinedHost(name, state, {**plain, **home})


def invite(server: Server, name: str) -> list[str]:
    """Return the words of the command that `labq host enroll` prints, without `labq`."""
    answer = server.cli("host", "enroll", name, "--json")
    assert answer.returncode == 0, answer.stderr
    return shlex.split(json.loads(answer.stdout)["command"])[1:]


def join(server: Server, name: str, folder: Path) -> JoinedHost:
    """Let a new machine with a state folder below `folder` join the server as a host."""
    host = machine(server, name, folder)
    answer = host.cli(*invite(server, name))
    assert answer.returncode == 0, answer.stderr
    return host


@contextmanager
def running(server: Server, host: JoinedHost) -> Iterator[subprocess.Popen[bytes]]:
    """Run a host that joined until the block is left; it is online within the block."""
    process = host.start()
    try:
        until(lambda: _is_online(server, host, process), f"host {host.name} is online")
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a host as its user would, and kill what does not end."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise AssertionError("labq host run did not stop") from None


def _is_online(server: Server, host: JoinedHost, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, host.log()
    row = json.loads(server.cli("host", "show", host.name, "--json").stdout)
    return bool(row["state"] == "online")
