"""Downloads that all runs of a host share: files by digest, found by URL, the oldest evicted.

Layout below the folder: `objects/<sha256>[-<compression>]`, `urls/<key>.json`, `partial/<key>`,
`locks/<key>`. Safe for several processes and threads; a kill leaves nothing half made.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of an URL: digests of its bytes by algorithm, and the server's validators."""

    digests: Mapping[str, str]
    etag: str = ""
    modified: str = ""


class Cache:
    """The folder, and how much it may hold."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        for name in ("objects", "urls", "partial", "locks"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    @contextmanager
    def single_flight(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Let one at a time work on `key`; raises InfrastructureError when `deadline` passes."""
        lock = os.open(self.folder / "locks" / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            while not _locked(lock):
                if deadline.is_over():
                    raise InfrastructureError("another run downloads the same file and is slow")
                threading.Event().wait(min(_POLL_SECONDS, deadline.remaining()))
            yield
        finally:
            os.close(lock)

    def known(self, key: str) -> Known | None:
        """Return what is known of the URL with this key."""
        try:
            return Known(**json.loads((self.folder / "urls" / key).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def learn(self, key: str, known: Known) -> None:
        """Note what was learned."""
        _write(self.folder / "urls" / key, json.dumps(asdict(known)).encode())

    def partial(self, key: str) -> Path:
        """Return where a download with this key grows."""
        return self.folder / "partial" / key

    def has(self, name: str) -> bool:
        """Return whether the object is there, and mark it as used now."""
        try:
            os.utime(self.folder / "objects" / name)
        except FileNotFoundError:
            return False
        return True

    def keep(self, file: Path, name: str) -> None:
        """Move a finished file in as the object, once its bytes are on the disk."""
        with file.open("rb") as written:
            os.fsync(written.fileno())
        file.chmod(0o444)
        file.replace(self.folder / "objects" / name)

    def path(self, name: str) -> Path:
        """Return the object's path."""
        return self.folder / "objects" / name

    def place(self, name: str, target: Path, *, writable: bool) -> None:
        """Put the object at `target`: a hard link, or a copy where it may be written to.

        Raises FileNotFoundError when it has been evicted meanwhile.
        """
        place(self.path(name), target, writable=writable)

    def evict(self) -> None:
        """Remove what was not used for longest until the limit is kept."""
        with contextlib.suppress(OSError), os.scandir(self.folder / "objects") as found:
            files = sorted((item.stat(), item.path) for item in found)
            files.sort(key=lambda item: item[0].st_mtime)
            total = sum(stat.st_size for stat, _ in files)
            for stat, path in files:
                if total <= self.limit_bytes:
                    return
                Path(path).unlink(missing_ok=True)
                total -= stat.st_size


def key_of(*parts: str) -> str:
    """Return a file name for these texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def place(source: Path, target: Path, *, writable: bool) -> None:
    """Link `source` to `target`, or copy it; replaces what is there."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    if not writable:
        with contextlib.suppress(OSError):
            os.link(source, target)
            return
    shutil.copyfile(source, target)
    target.chmod(0o644)


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    temporary.write_bytes(data)
    temporary.replace(path)
