"""Streams one URL into a file: resumed where it stopped, hashed on the way, bounded."""

from __future__ import annotations

import hashlib
import shutil
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

import httpx

from labq import __version__
from labq.actions.steps.cache import Known
from labq.actions.steps.unpack import CHUNK_BYTES
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError, LabqError

READ_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MOST_REDIRECTS = 10
SPARE_BYTES = 256 * 1024 * 1024
"""Free space that a download leaves on the disk."""


class SlowError(InfrastructureError):
    """The deadline passed while bytes came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One download. `progress` is called with (bytes so far, bytes in all or None)."""

    url: str
    target: Path
    deadline: Deadline
    limit: int
    headers: Mapping[str, str] = field(default_factory=dict)
    algorithms: tuple[str, ...] = ("sha256",)
    proxy: str = ""
    url_format: str = ""
    progress: Callable[[int, int | None], None] = lambda _done, _total: None


def fetch(transfer: Transfer, known: Known | None = None) -> Known | None:
    """Download into `target`; returns what was learned, None when `known` is still right.

    A `target` that is there already is the start of an earlier try: what is missing is asked for.
    Raises SlowError at the deadline, JobError for what the submitter must mend and InfrastructureError for the rest.
    """
    try:
        with _client(transfer) as client, _answer(client, transfer, known) as response:
            if response.status_code == httpx.codes.NOT_MODIFIED:
                return None
            return _store(transfer, response)
    except httpx.InvalidURL as error:
        raise JobError(f"{transfer.url}: {error}") from error
    except httpx.TimeoutException as error:
        raise InfrastructureError(f"{transfer.url}: the server is silent ({error})") from error
    except httpx.HTTPError as error:
        raise InfrastructureError(
            f"{transfer.url}: {str(error) or type(error).__name__}"
        ) from error
    except OSError as error:
        raise InfrastructureError(f"{transfer.url}: cannot be stored: {error}") from error


def _client(transfer: Transfer) -> httpx.Client:
    return httpx.Client(
        timeout=_timeout(transfer.deadline),
        proxy=transfer.proxy or None,
        verify=_trust(),
        follow_redirects=False,
        headers={"User-Agent": f"labq/{__version__}", "Accept-Encoding": "identity"},
    )


def _timeout(deadline: Deadline) -> httpx.Timeout:
    left = max(0.01, deadline.remaining())
    return httpx.Timeout(min(READ_SECONDS, left), connect=min(CONNECT_SECONDS, left))


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


@contextmanager
def _answer(
    client: httpx.Client, transfer: Transfer, known: Known | None
) -> Iterator[httpx.Response]:
    """Yield the last answer after redirects; headers of the job go to the first origin only."""
    url = httpx.URL(_mirrored(transfer))
    origin = _origin(url)
    for _ in range(MOST_REDIRECTS + 1):
        own = transfer.headers if _origin(url) == origin else {}
        headers = {**own, **_conditions(transfer, known)}
        with client.stream("GET", url, headers=headers) as response:
            if response.next_request is None:
                _check_status(transfer, response)
                yield response
                return
            url = response.next_request.url
    raise JobError(f"{transfer.url}: more than {MOST_REDIRECTS} redirects, the last to {url}")


def _mirrored(transfer: Transfer) -> str:
    if not transfer.url_format:
        return transfer.url
    return transfer.url_format.replace("%s", quote(transfer.url, safe=""))


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return (url.scheme, url.host, url.port)


def _conditions(transfer: Transfer, known: Known | None) -> dict[str, str]:
    headers = {}
    if known is not None and known.etag:
        headers["If-None-Match"] = known.etag
    elif known is not None and known.modified:
        headers["If-Modified-Since"] = known.modified
    validator = _validator_of(transfer.target)
    if validator and (size := _size(transfer.target)):
        headers |= {"Range": f"bytes={size}-", "If-Range": validator}
    return headers


def _check_status(transfer: Transfer, response: httpx.Response) -> None:
    code = response.status_code
    if code in (200, 206, 304):
        return
    if code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
        forget(transfer.target)
    message = f"{transfer.url}: HTTP status {code} {response.reason_phrase}"
    raise _status_error(code, message)


def _status_error(code: int, message: str) -> LabqError:
    submitters = 400 <= code < 500 and code not in (408, 416, 425, 429)
    return JobError(message) if submitters else InfrastructureError(message)


def _store(transfer: Transfer, response: httpx.Response) -> Known:
    """Write the body after what is there already; returns digests of the whole and validators."""
    resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
    hashes = [hashlib.new(name, usedforsecurity=False) for name in transfer.algorithms]
    etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
    done = _hash_file(transfer.target, hashes) if resumed else 0
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdecimal() else None
    _write_validator(transfer.target, etag if not etag.startswith("W/") else "")
    with transfer.target.open("ab" if resumed else "wb") as out:
        for data in response.iter_raw(CHUNK_BYTES):
            done += len(data)
            _check_bounds(transfer, done)
            for digest in hashes:
                digest.update(data)
            out.write(data)
            transfer.progress(done, total)
    if total is not None and done != total:
        raise InfrastructureError(f"{transfer.url}: the body ended after {done} of {total} bytes")
    digests = {one.name: one.hexdigest() for one in hashes}
    return Known(digests=digests, etag=etag, modified=modified)


def _check_bounds(transfer: Transfer, done: int) -> None:
    if done > transfer.limit:
        raise JobError(f"{transfer.url}: more than {transfer.limit} bytes")
    if transfer.deadline.is_over():
        raise SlowError(f"{transfer.url}: {done} bytes came")
    if done % (64 * CHUNK_BYTES) < CHUNK_BYTES:
        free = shutil.disk_usage(transfer.target.parent).free
        if free < SPARE_BYTES:
            raise InfrastructureError(f"{transfer.url}: the disk of the host is full")


def _hash_file(path: Path, hashes: list[hashlib._Hash]) -> int:
    done = 0
    with path.open("rb") as source:
        while data := source.read(CHUNK_BYTES):
            done += len(data)
            for digest in hashes:
                digest.update(data)
    return done


def forget(target: Path) -> None:
    """Remove an unfinished download and its validator."""
    target.unlink(missing_ok=True)
    _validator_file(target).unlink(missing_ok=True)


def _validator_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.etag")


def _validator_of(target: Path) -> str:
    try:
        boot, etag = _validator_file(target).read_text().split("\n", 1)
    except (OSError, ValueError):
        return ""
    return etag if boot == _boot_id() else ""


def _write_validator(target: Path, etag: str) -> None:
    """Keep a strong ETag beside the target: only with it may the rest be asked for later.

    It counts until the machine restarts: after a loss of power the file may have holes.
    """
    file = _validator_file(target)
    if etag:
        file.write_text(f"{_boot_id()}\n{etag}")
    else:
        file.unlink(missing_ok=True)


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
