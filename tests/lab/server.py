"""A real `labq up` with a state folder and ports of its own, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.lab.waiting import until

UP_SECONDS = 120.0
DOWN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running labq: the ready file's facts and where its state is."""

    url: str
    user: str
    token: str
    pid: int
    state: Path
    environment: Mapping[str, str]

    def cli(
        self, *words: str, stdin: str = "", seconds: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run `labq WORDS` against this server."""
        return subprocess.run(
            (program(), *words),
            env={**self.environment, "LABQ_URL": self.url, "LABQ_TOKEN": self.token},
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )


def program() -> str:
    """Return the installed `labq` command."""
    return str(Path(sys.executable).with_name("labq"))


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given by chance."""
    while True:
        port = secrets.choice(range(2_000, 16_000))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def running(
    folder: Path,
    devices: str,
    settings: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Server]:
    """Run `labq up --devices DEVICES` in a folder until the block is left; its output is up.log."""
    environment = _environment(folder, settings or {})
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    with (folder / "up.log").open("ab") as log:
        process = subprocess.Popen(
            (*_command(folder, devices, ready), *options),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
    try:
        yield _wait(process, folder, ready, environment)
    finally:
        _stop(process, folder)


def _environment(folder: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which nothing of this user's own labq is seen or changed."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LABQ_")}
    homes = {"XDG_CONFIG_HOME": str(folder / "config"), "XDG_STATE_HOME": str(folder / "home")}
    chosen = {"LABQ_STREAM_PORT": str(free_port()), "LABQ_CACHE": "off"}
    return {**plain, **homes, **chosen, **settings}


def _command(folder: Path, devices: str, ready: Path) -> tuple[str, ...]:
    options = {"state": folder / "state", "port": free_port(), "devices": devices}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    return (program(), "up", *words, "--ready-file", str(ready))


def _wait(
    process: subprocess.Popen[bytes], folder: Path, ready: Path, environment: Mapping[str, str]
) -> Server:
    def is_up() -> bool:
        assert process.poll() is None, f"labq up ended with {process.returncode}: {_tail(folder)}"
        return ready.exists() and ready.stat().st_size > 0

    until(is_up, f"labq up is ready: {_tail(folder)}", UP_SECONDS)
    facts = json.loads(ready.read_text())
    return Server(
        url=facts["url"],
        user=facts["user"],
        token=facts["token"],
        pid=facts["pid"],
        state=folder / "state",
        environment=environment,
    )


def _stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(DOWN_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise AssertionError(f"labq up did not stop: {_tail(folder)}") from None


def _tail(folder: Path) -> str:
    log = folder / "up.log"
    return log.read_text(errors="replace")[-3000:] if log.exists() else ""
