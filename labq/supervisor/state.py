"""The state folder of `labq up`: whose it is, which form it has, and that only one uses it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labq.domain.errors import ConfigurationError, InfrastructureError

VERSION = 1
"""The form of the folder; a labq that changes it raises this."""
LEAST_FREE_BYTES = 500 * 1024 * 1024
# A unix socket's path has at most 107 bytes (unix(7)); the longest below the folder has 30.
LONGEST_PATH = 75


@dataclass(frozen=True, slots=True)
class State:
    """A state folder that this process alone uses. `folder` is short enough for sockets in it."""

    folder: Path
    given: Path

    @property
    def logs(self) -> Path:
        """Return the folder of the parts' output."""
        return self.folder / "log"

    @property
    def admin_file(self) -> Path:
        """Return where the name and token of the admin of this machine are kept."""
        return self.folder / "admin.json"

    @property
    def running_file(self) -> Path:
        """Return where the command line of the same user finds the running server."""
        return self.folder / "server.json"

    def secret_key(self) -> str:
        """Return the key of cookies and tickets, made at the first call."""
        path = self.folder / "secret"
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path.read_text()


@contextmanager
def opened(folder: Path) -> Iterator[State]:
    """Take the folder for this process; it is made when it is new.

    Raises ConfigurationError for a folder of another owner or version, InfrastructureError when
    it is in use, full or not writable.
    """
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_owner(folder)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        reason = f"{folder}: {error.strerror}: choose another state folder with --state"
        raise InfrastructureError(reason) from error
    try:
        _take(lock, folder)
        check_space(folder)
        _check_version(folder)
        with _short(folder) as short:
            yield State(short, folder)
    finally:
        os.close(lock)


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner alone can read, in one move."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as out:
        out.write(text)
    Path(name).replace(path)


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write an object like `write_private`."""
    write_private(path, json.dumps(value) + "\n")


def check_space(folder: Path) -> None:
    """Raise InfrastructureError when the folder's disk is too full for a server's state."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise InfrastructureError(
            f"{folder} has {free // 2**20} MiB left, labq needs {LEAST_FREE_BYTES // 2**20} MiB: "
            "free some, or choose another state folder with --state"
        )


def _check_owner(folder: Path) -> None:
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise ConfigurationError(
            f"the state folder {folder} belongs to user {owner}, you are {os.geteuid()}: "
            "choose another one with --state"
        )


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        raise InfrastructureError(
            f"labq up runs already with the state folder {folder} (process {holder}): "
            "stop it first, or choose another one with --state"
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _check_version(folder: Path) -> None:
    path = folder / "state.json"
    if not path.exists():
        if any(entry.name != "lock" for entry in folder.iterdir()):
            raise ConfigurationError(
                f"{folder} is not empty and no state folder of labq: choose another with --state"
            )
        write_json(path, {"version": VERSION, "uid": os.geteuid()})
    found = _version_in(path)
    if found != VERSION:
        raise ConfigurationError(
            f"the state folder {folder} has form {found}, this labq knows {VERSION}: "
            "use the labq that made it, or choose another one with --state"
        )


def _version_in(path: Path) -> object:
    try:
        return json.loads(path.read_text())["version"]
    except (ValueError, LookupError, TypeError):
        return "unreadable"


@contextmanager
def _short(folder: Path) -> Iterator[Path]:
    """Give a path to the folder in which sockets fit: itself, or a link with a short name."""
    if len(os.fsencode(folder)) <= LONGEST_PATH:
        yield folder
        return
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    places = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108 - a link of a name of its own
    place = next(Path(name) for name in places if name and len(name) < LONGEST_PATH // 2)
    link = place / f"labq-{os.geteuid()}-{digest}"
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    try:
        yield link
    finally:
        link.unlink(missing_ok=True)
