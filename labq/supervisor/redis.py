"""A private Redis in a folder, behind a password, its data appended to disk.

It listens on 127.0.0.1 alone, or for hosts elsewhere by TLS alone.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from labq.domain.errors import InfrastructureError
from labq.services.certificates import Issued
from labq.supervisor.address import in_url, is_here
from labq.supervisor.programs import find_redis

# Files and folders of its data, of Redis before 7 and since.
DATA = ("appendonly", "dump.rdb")
# Below those that Linux gives to outgoing connections (ip(7), ip_local_port_range).
PORTS = range(16_000, 32_000)
CONFIGURATION = """\
{listen}
requirepass {password}
aclfile {users}
dir {folder}
appendonly yes
appendfsync everysec
aof-load-truncated yes
save ""
maxmemory 1gb
maxmemory-policy noeviction
proto-max-bulk-len 16mb
hz 4
daemonize no
logfile ""
"""


TLS_CONFIGURATION = """\
bind {addresses}
port 0
tls-port {port}
tls-cert-file {certificate}
tls-key-file {key}
tls-ca-cert-file {authority}
tls-auth-clients no"""


@dataclass(frozen=True, slots=True)
class Tls:
    """How hosts elsewhere reach a server: at which address and port, with which certificate."""

    address: str
    port: int
    issued: Issued

    @property
    def public_url(self) -> str:
        """Return the URL for hosts, without user and password."""
        return f"rediss://{in_url(self.address)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Redis:
    """One server: its folder, port and password, as they stand in its configuration file."""

    folder: Path
    program: Path
    port: int
    password: str
    tls: Tls | None = None

    @property
    def argv(self) -> tuple[str, ...]:
        """Return the command that runs the server in the foreground."""
        return (str(self.program), str(self.folder / "redis.conf"))

    @property
    def url(self) -> str:
        """Return the URL of its database 0 for this machine."""
        place = f"{self.password}@127.0.0.1:{self.port}/0"
        if self.tls is None:
            return f"redis://:{place}"
        return f"rediss://:{place}?ssl_ca_certs={quote(str(self.tls.issued.authority))}"

    def is_ready(self) -> bool:
        """Tell whether the server has read its data and answers."""
        hello = f"AUTH {self.password}\r\nPING\r\n".encode()
        try:
            with self._connected() as link:
                link.sendall(hello)
                return _answer(link) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
            if self.tls is None:
                yield link
                return
            context = ssl.create_default_context(cafile=self.tls.issued.authority)
            with context.wrap_socket(link, server_hostname="127.0.0.1") as secure:
                yield secure


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


def prepare(folder: Path, tls: Tls | None = None) -> Redis:
    """Write the configuration of a folder's server and return it.

    Without `tls` it gets the port it had before, where that is free, so that hosts find it again.
    Raises ConfigurationError when there is no Redis, or none that can do TLS.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    program = find_redis() if tls is None else find_redis(_does_tls, "that can do TLS")
    port = _port_again(folder / "redis.conf") if tls is None else tls.port
    server = Redis(folder, program, port, secrets.token_hex(24), tls)
    text = CONFIGURATION.format(
        listen=_listen(server),
        password=server.password,
        users=_quoted(folder / "users.acl"),
        folder=_quoted(folder),
    )
    _write(folder / "redis.conf", text)
    digest = hashlib.sha256(server.password.encode()).hexdigest()
    _write(folder / "users.acl", f"user default on #{digest} ~* &* +@all\n")
    return server


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _listen(server: Redis) -> str:
    if server.tls is None:
        return f"bind 127.0.0.1\nport {server.port}"
    issued = server.tls.issued
    return TLS_CONFIGURATION.format(
        addresses=_addresses(server.tls.address),
        port=server.port,
        certificate=_quoted(issued.certificate),
        key=_quoted(issued.key),
        authority=_quoted(issued.authority),
    )


def _addresses(address: str) -> str:
    """Return what to listen on: this address if it is one of this machine, else all there are."""
    if address in ("127.0.0.1", "localhost"):
        return "127.0.0.1"
    return f"127.0.0.1 {address}" if _is_numeric(address) and is_here(address) else "* -::*"


def _is_numeric(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _does_tls(program: Path) -> bool:
    """Tell whether a Redis knows TLS: asked to listen nowhere it ends, and says what it minds."""
    words = [str(program), "--port", "0", "--tls-port", "0"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20, cwd="/")
    return "to not listen anywhere" in answer.stdout + answer.stderr


def _port_again(path: Path) -> int:
    found = re.search(r"^port ([1-9]\d*)$", path.read_text(), re.M) if path.exists() else None
    if not found:
        return _free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(found[1])))
        except OSError:
            return _free_port()
        return int(found[1])


def _quoted(folder: Path) -> str:
    text = str(folder)
    if any(character in text for character in '"\\\n'):
        raise InfrastructureError(f"Redis cannot use a folder of this name: {text!r}")
    return f'"{text}"'


def _free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given by chance."""
    while True:
        port = PORTS.start + secrets.randbelow(len(PORTS))
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answer(link: socket.socket) -> bytes:
    answer = b""
    while answer.count(b"\n") < 2:
        data = link.recv(256)
        if not data:
            break
        answer += data
    return answer
