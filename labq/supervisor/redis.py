"""A private Redis in a folder: 127.0.0.1 only, behind a password, its data appended to disk."""

from __future__ import annotations

import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from labq.domain.errors import InfrastructureError
from labq.supervisor.programs import find_redis

# Files and folders of its data, of Redis before 7 and since.
DATA = ("appendonly", "dump.rdb")
CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory 1gb
maxmemory-policy noeviction
hz 4
daemonize no
logfile ""
"""


@dataclass(frozen=True, slots=True)
class Redis:
    """One server: its folder, port and password, as they stand in its configuration file."""

    folder: Path
    program: Path
    port: int
    password: str

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the command that runs the server in the foreground."""
        return (str(self.program), str(self.folder / "redis.conf"))

    @property
    def url(self) -> str:
        """Return the URL of its database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def is_ready(self) -> bool:
        """Tell whether the server has read its data and answers."""
        hello = f"AUTH {self.password}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                link.sendall(hello)
                return _answer(link) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False


def set_aside(folder: Path) -> Path | None:
    """Move a server's data to a folder beside it, in place of what is there; None without data."""
    data = [path for path in folder.iterdir() if path.name.startswith(DATA)]
    if not data:
        return None
    aside = folder / "unreadable"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    for path in data:
        path.rename(aside / path.name)
    return aside


def prepare(folder: Path) -> Redis:
    """Write the configuration of a folder's server, with a port that is free now, and return it.

    Raises ConfigurationError when there is no Redis.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    server = Redis(folder, find_redis(), _free_port(), secrets.token_hex(24))
    text = CONFIGURATION.format(
        port=server.port, password=server.password, folder=_quoted(server.folder)
    )
    path = folder / "redis.conf"
    path.touch(mode=0o600)
    path.write_text(text)
    return server


def _quoted(folder: Path) -> str:
    text = str(folder)
    if any(character in text for character in '"\\\n'):
        raise InfrastructureError(f"Redis cannot use a folder of this name: {text!r}")
    return f'"{text}"'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answer(link: socket.socket) -> bytes:
    answer = b""
    while answer.count(b"\n") < 2:
        data = link.recv(256)
        if not data:
            break
        answer += data
    return answer
