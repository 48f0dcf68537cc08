"""A run's claim on its board against other labqs of this machine, by what names the board here.

The lock files lie in a folder that all users share. They are never removed, as another process may
just be opening them; their content only says who holds them, and is believed in messages alone.
"""

from __future__ import annotations

import asyncio
import fcntl
import getpass
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from labq.bench import physical
from labq.bench.run import BenchRun
from labq.benchlink.keeper import KeeperClient, Kept
from labq.config import Settings
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.verdicts import Level

MARK = "@"
"""What the keeper's names of locks begin with, after the run."""
PAUSE_SECONDS = 0.1
MOST_BYTES = 4096
_SHARED = Path("/run/lock")
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class BusyError(InfrastructureError):
    """Somebody else drives the board."""


class Claims:
    """The locks of one run. The keeper holds them, so that they outlive the bench."""

    def __init__(self, run: BenchRun, keeper: KeeperClient, settings: Settings) -> None:
        self._run = run
        self._keeper = keeper
        self._settings = settings
        self._held: set[str] = set()
        self._one_at_a_time = asyncio.Lock()

    async def take(self, is_wanted: Callable[[], bool], seconds: float | None = None) -> None:
        """Have the board for this run; raises InfrastructureError that names who has it.

        Waits as long as the host is set, or `seconds`, and no longer than it is wanted.
        """
        wait = self._settings.lock_wait if seconds is None else seconds
        deadline, is_said = Deadline.after(wait), False
        while True:
            try:
                async with self._one_at_a_time:
                    await asyncio.to_thread(self._take_all)
            except BusyError as error:
                if deadline.is_over() or not is_wanted():
                    raise
                if not is_said:
                    self._run.say(Level.WARNING, f"waits up to {wait:g} s: {error}")
                    is_said = True
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    def take_back(self, kept: Iterable[Kept]) -> None:
        """Go on with the locks that the bench before this one had taken."""
        names = (entry.key.partition("/")[2] for entry in kept)
        self._held |= {name for name in names if name.startswith(MARK)}

    def release(self) -> None:
        """Let the board go."""
        for name in sorted(self._held):
            self._keeper.drop(self._key(name))
        self._held.clear()

    def _take_all(self) -> None:
        """Take what is not held yet; what was taken before a failure is kept for the next try."""
        folder = lock_folder(self._settings)
        for what in physical.names(self._run.plan):
            path = lock_file(folder, what)
            name = MARK + path.stem
            if name in self._held:
                continue
            file = _open(path)
            try:
                self._lock(file, what)
                self._keeper.keep(self._key(name), file)
            finally:
                os.close(file)
            self._held.add(name)

    def _lock(self, file: int, what: str) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyError(f"{what} is in use by {_read_owner(file)}") from error
        owner = {
            "what": what,
            "pid": os.getpid(),
            "user": _user(),
            "state": str(self._settings.state),
            "host": self._settings.host,
            "run": self._run.plan.run,
        }
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(owner).encode()[:MOST_BYTES], 0)

    def _key(self, name: str) -> str:
        return f"{self._run.plan.run}/{name}"


def lock_file(folder: Path, what: str) -> Path:
    """Return the lock file of what names a board."""
    return folder / f"labq-{hashlib.sha256(what.encode()).hexdigest()[:24]}.lock"


def lock_folder(settings: Settings) -> Path:
    """Return where labqs of this machine keep off each other's boards.

    That is /run/lock for all users; where it cannot be written, only the labqs of one user, or of
    one state folder, see each other.
    """
    if settings.lock_folder:
        return settings.lock_folder
    mine = Path(f"/run/user/{os.getuid()}")
    for folder in (_SHARED, mine):
        if os.access(folder, os.W_OK | os.X_OK) and _is_safe(folder):
            return folder
    return settings.bench_folder / "locks"


def _is_safe(folder: Path) -> bool:
    """Tell whether nobody can put other files in the place of ours: the sticky bit, or our own."""
    found = folder.stat()
    is_shared = bool(found.st_mode & (stat.S_IWOTH | stat.S_IWGRP))
    return found.st_uid in (0, os.getuid()) and (
        not is_shared or bool(found.st_mode & stat.S_ISVTX)
    )


def _open(path: Path) -> int:
    """Open a lock file, made when it is new; raises InfrastructureError for what is none."""
    try:
        try:
            file = os.open(path, _FLAGS)
        except FileNotFoundError:
            file = _make(path)
    except OSError as error:
        raise InfrastructureError(
            f"{path} cannot be used as a lock: {error.strerror}; see whose it is, and remove it"
        ) from error
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
        os.close(file)
        raise InfrastructureError(f"{path} is no lock file of labq: see whose it is, and remove it")
    return file


def _make(path: Path) -> int:
    """Make a lock file that other users can lock too."""
    try:
        file = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return os.open(path, _FLAGS)
    os.fchmod(file, 0o666)
    return file


def _read_owner(file: int) -> str:
    """Return what a lock file says of its holder, as one line."""
    try:
        found = json.loads(os.pread(file, MOST_BYTES, 0))
        told = [f"{key} {found[key]}" for key in ("pid", "user", "state", "host", "run")]
    except (ValueError, LookupError, TypeError):
        return "another process"
    text = ", ".join(told)
    return "".join(letter for letter in text if letter.isprintable())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
