"""Git repositories served by a local git daemon: stand-ins for the forges of real jobs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.server import free_port
from tests.lab.waiting import until

IDENTITY = {
    "GIT_AUTHOR_NAME": "lab",
    "GIT_AUTHOR_EMAIL": "lab@localhost",
    "GIT_COMMITTER_NAME": "lab",
    "GIT_COMMITTER_EMAIL": "lab@localhost",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


@dataclass(frozen=True, slots=True)
class Forge:
    """A running git daemon: the repository `name` is at `url/<name>`."""

    url: str
    folder: Path

    def add(self, name: str, files: Mapping[str, str], tag: str = "") -> str:
        """Make a repository of one commit and return its URL."""
        folder = self.folder / name
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        _git(folder, "init", "--quiet", "--initial-branch=main")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message=Add tests")
        if tag:
            _git(folder, "tag", tag)
        return f"{self.url}/{name}"


def _git(folder: Path, *words: str) -> None:
    subprocess.run(
        ("git", *words), cwd=folder, env={**os.environ, **IDENTITY}, check=True, timeout=60
    )


@contextmanager
def forge(folder: Path) -> Iterator[Forge]:
    """Run a git daemon over a folder until the block is left."""
    port = free_port()
    daemon = subprocess.Popen(
        (
            "git",
            "daemon",
            "--reuseaddr",
            "--export-all",
            "--listen=127.0.0.1",
            f"--port={port}",
            f"--base-path={folder}",
            str(folder),
        ),
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        },
    )
    try:
        until(lambda: _answers(port), "the git daemon answers", 20)
        yield Forge(f"git://127.0.0.1:{port}", folder)
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait(10)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
