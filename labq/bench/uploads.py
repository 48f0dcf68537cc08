"""Sends the artifacts of ended runs, in a thread that exists only while there are some.

They wait in the run's folder until the server has them: a killed bench finds them again, and what
was sent twice is stored once. What the server refuses for good is dropped, and the run's log says so.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

from labq import __version__
from labq.domain.artifacts import PIECE_BYTES, check_name
from labq.domain.errors import InvalidInputError
from labq.domain.plan import Upload

FOLDER = "artifacts"
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
ANSWER_SECONDS = 60.0
MOST_BYTES = 4 * 1024**3
"""Of one run's files as they wait; larger ones are not sent."""
STORED = "Labq-Artifact-Bytes"
_TRY_AGAIN = (408, 425, 429)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parcel:
    """The files of one ended run. `done` is called with what could not be sent, and why."""

    run: int
    folder: Path
    url: str
    upload: Upload
    done: Callable[[list[str]], None]


class _RefusedError(Exception):
    """The server will never take the file."""


def waiting(run_folder: Path) -> list[Path]:
    """Return the files of a run that wait to be sent; links and half-written ones are none."""
    folder = run_folder / FOLDER
    if not folder.is_dir():
        return []
    found = (path for path in sorted(folder.rglob("*")) if not path.name.startswith("."))
    return [path for path in found if path.is_file() and not path.is_symlink()]


class Uploads:
    """What is on its way; the loop adds, the thread sends."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parcels: dict[int, Parcel] = {}
        self._held: set[int] = set()
        self._thread: threading.Thread | None = None
        self._is_over = False

    def has(self, run: int) -> bool:
        """Tell whether files of the run wait: its folder must stay."""
        with self._changed:
            return run in self._held

    def add(self, parcel: Parcel) -> None:
        """Send the files of a run, however long the server is away."""
        with self._changed:
            self._parcels[parcel.run] = parcel
            self._held.add(parcel.run)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
                self._thread.start()
            self._changed.notify()

    def forget(self, run: int) -> None:
        """Let the folder of a run go: nothing of it is left to be sent."""
        with self._changed:
            self._held.discard(run)

    def stop(self) -> None:
        """End soon; what is not sent is found by the next bench."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while parcels := self._next():
            is_stuck = [not self._send(parcel) for parcel in parcels]
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS) if any(is_stuck) else FIRST_PAUSE_SECONDS
            with self._changed:
                if any(is_stuck) and not self._is_over:
                    self._changed.wait(pause)

    def _next(self) -> list[Parcel]:
        """Return what is to be sent; nothing ends the thread."""
        with self._changed:
            if self._is_over or not self._parcels:
                self._thread = None
                return []
            return list(self._parcels.values())

    def _send(self, parcel: Parcel) -> bool:
        """Send a parcel; tell whether nothing of it is left to be tried again."""
        refused: list[str] = []
        try:
            for name, path in _names(parcel, refused):
                try:
                    _put(parcel, name, path)
                except _RefusedError as error:
                    refused.append(f"{name}: {error}")
                path.unlink()
        except (OSError, HTTPException) as error:
            log.warning("artifacts of run %d wait: %s", parcel.run, error)
            return False
        except Exception as error:
            log.exception("artifacts of run %d cannot be sent", parcel.run)
            refused.append(f"{type(error).__name__}: {error}")
        with self._changed:
            self._parcels.pop(parcel.run, None)
        parcel.done(refused)
        return True


def _names(parcel: Parcel, refused: list[str]) -> Iterator[tuple[str, Path]]:
    """Yield the files that may be sent, by name; the others are dropped."""
    room = MOST_BYTES
    for path in waiting(parcel.folder):
        name = path.relative_to(parcel.folder / FOLDER).as_posix()
        size = path.stat().st_size
        try:
            check_name(name)
        except InvalidInputError as error:
            refused.append(str(error))
            path.unlink()
            continue
        if size > room:
            refused.append(f"{name}: the files of a run may have {MOST_BYTES} bytes in all")
            path.unlink()
            continue
        room -= size
        yield name, path


def _put(parcel: Parcel, name: str, path: Path) -> None:
    """Send a file in pieces, from where the server wants it on.

    Raises _RefusedError when it is refused for good, OSError or HTTPException when it may be taken
    later.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
        size = path.stat().st_size
        offset = 0
        while True:
            file.seek(offset)
            stored = _put_piece(parcel, name, digest, (file.read(PIECE_BYTES), offset, size))
            if stored >= size:
                return
            if stored == offset:
                raise HTTPException(f"the server stays at {stored} of {size} bytes")
            offset = stored


def _put_piece(parcel: Parcel, name: str, digest: bytes, piece: tuple[bytes, int, int]) -> int:
    """Send one piece; return how many bytes the server has now."""
    data, offset, size = piece
    headers = {
        "Authorization": f"Bearer {parcel.upload.token}",
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:",
        "User-Agent": f"labq/{__version__}",
        "Content-Type": "application/octet-stream",
    }
    if len(data) != size:
        headers["Content-Range"] = f"bytes {offset}-{offset + len(data) - 1}/{size}"
    path = f"/api/v1/runs/{parcel.run}/artifacts/{quote(name)}"
    connection, prefix = _connection(parcel.url)
    try:
        connection.request("PUT", prefix + path, body=data, headers=headers)
        answer = connection.getresponse()
        return _stored(answer, answer.read(100_000))
    finally:
        connection.close()


def _stored(answer: HTTPResponse, body: bytes) -> int:
    stored = answer.headers.get(STORED, "")
    if stored.isdecimal() and (answer.status < 300 or answer.status == 409):
        return int(stored)
    if answer.status >= 500 or answer.status in _TRY_AGAIN:
        raise HTTPException(f"the server answers {answer.status}")
    raise _RefusedError(f"{answer.status} {_detail(body) or answer.reason}")


def _detail(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    return str(problem.get("detail", ""))[:500] if isinstance(problem, dict) else ""


def _connection(url: str) -> tuple[HTTPConnection, str]:
    """Return a connection to the server, and what stands before its paths."""
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise _RefusedError(f"this host knows no address of the server: {url!r}")
    prefix = parts.path.rstrip("/")
    if parts.scheme == "https":
        context = ssl.create_default_context()
        secure = HTTPSConnection(
            parts.hostname, parts.port, timeout=ANSWER_SECONDS, context=context
        )
        return secure, prefix
    return HTTPConnection(parts.hostname, parts.port, timeout=ANSWER_SECONDS), prefix
