"""Brings one artifact of a definition into the run's folder: by URL, checked, unpacked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from labq.actions.parameters import Source
from labq.actions.steps import http
from labq.actions.steps.cache import Cache, Known, key_of, place
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.downloads import SCHEME, downloaded_file, name_in_downloads
from labq.actions.steps.unpack import (
    CHUNK_BYTES,
    SUFFIXES,
    decompress,
    stripped_name,
    unpack_tar,
)
from labq.actions.steps.work import Work, expired
from labq.config import Settings, load
from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import InfrastructureError, JobError

TRIES = 3
_PAUSE_SECONDS = 1.0
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """One artifact and where it goes. A `writable` file is never shared with the cache."""

    artifact: Source
    folder: Path
    writable: bool = False
    keep_packed: bool = False

    @property
    def unpacks(self) -> str:
        """Return the compression to undo, empty for none: zip is kept as it is."""
        kind = self.artifact.compression or ""
        return kind if kind in SUFFIXES and not self.keep_packed else ""

    @property
    def target(self) -> Path:
        """Return the path of the finished file."""
        name = Path(_path_of(self.artifact.url)).name or "download"
        return self.folder / (stripped_name(name, self.unpacks) if self.unpacks else name)


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return name_in_downloads(url) if parts.scheme == SCHEME else unquote(parts.path)


_CASES = {"file": "file-download", SCHEME: "pre-downloaded"}


def download(work: Work, wanted: Download) -> Path:
    """Fetch one artifact, as the case of its scheme (`http-download`, ...); returns its path."""
    url = with_static_info(work, wanted.artifact.url)
    scheme = urlsplit(url).scheme
    if scheme not in {"http", "https", *_CASES}:
        raise JobError(f"{url}: URLs of scheme {scheme!r} are not supported")
    case = _CASES.get(scheme, "http-download")
    settings = load()
    with work.action("download-retry"), work.action(case, case=True) as deadline:
        work.info(f"downloading {url}")
        fetcher = _Fetcher(work, wanted, url, settings, deadline)
        if scheme == "file":
            fetcher.file(allowed_file(url, settings))
        elif scheme == SCHEME:
            fetcher.file(downloaded_file(work.session, url))
        else:
            fetcher.tried()
    if wanted.artifact.archive == "tar":
        unpack_tar(wanted.target, wanted.folder, limit=settings.cache_bytes)
    return wanted.target


def with_static_info(work: Work, url: str) -> str:
    """Return the URL with `{NAME}` replaced by what the dictionary's static_info has."""
    infos = lookup(work.session.plan.dictionary, "static_info")
    for info in infos if isinstance(infos, list | tuple) else ():
        for name, value in info.items() if isinstance(info, Mapping) else ():
            url = url.replace(f"{{{name}}}", str(value))
    return url


def allowed_file(url: str, settings: Settings) -> Path:
    """Return the file of a file:// URL, links resolved; JobError outside of the allowed folders."""
    path = Path(unquote(urlsplit(url).path))
    folders = [item for item in settings.file_folders.replace(",", ":").split(":") if item]
    try:
        resolved = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise JobError(f"{url}: no such file on the host") from error
    if not any(resolved.is_relative_to(Path(folder).resolve()) for folder in folders):
        allowed = ", ".join(folders) or "none"
        raise JobError(f"{url}: not below the folders that this host serves files from: {allowed}")
    return resolved


@dataclass(slots=True)
class _Fetcher:
    work: Work
    wanted: Download
    url: str
    settings: Settings
    deadline: Deadline
    _logged: float = field(default_factory=monotonic)

    def file(self, source: Path) -> None:
        """Copy or unpack a file of the host."""
        if not source.is_file():
            raise JobError(f"{self.url}: not a regular file")
        self._check(_digests(source, tuple(self._asked())) if self._asked() else {})
        if self.wanted.unpacks:
            self._decompress(source, self.wanted.target)
        else:
            place(source, self.wanted.target, writable=True)

    def tried(self) -> None:
        """Fetch over HTTP; what the lab's side fails at is tried again until the time is over."""
        seconds = self.deadline.remaining()
        for number in range(1, TRIES + 1):
            try:
                self._stored()
            except InfrastructureError as error:
                if self.deadline.is_over():
                    raise expired("http-download", seconds, str(error)) from error
                if number == TRIES:
                    raise
                self.work.info(f"{error}; trying again")
                threading.Event().wait(min(_PAUSE_SECONDS, self.deadline.remaining()))
            else:
                return

    def _stored(self) -> None:
        try:
            self._http()
        except OSError as error:
            raise InfrastructureError(f"{self.url}: cannot be stored: {error}") from error

    def _http(self) -> None:
        cache = Cache(self.settings.bench_folder / "cache", self.settings.cache_bytes)
        if not self.wanted.artifact.use_cache:
            self._uncached()
            return
        digest = self._asked().get("sha256", "")
        if digest and cache.has(digest):
            self.work.info(f"{self.url} is in the cache by its checksum")
            self._finish(cache, digest)
            return
        headers = self.wanted.artifact.headers
        key = key_of(self.url, *(f"{name}: {headers[name]}" for name in sorted(headers)))
        with cache.single_flight(key, self.deadline):
            self._finish(cache, self._cached(cache, key))
        cache.evict()

    def _cached(self, cache: Cache, key: str) -> str:
        """Return the name of the object that the URL has now."""
        known = cache.known(key)
        if known is not None and not (
            cache.has(known.digests["sha256"]) and known.digests.keys() >= self._asked().keys()
        ):
            known = None
        partial = cache.partial(key)
        learned = http.fetch(self._transfer(partial), known)
        if learned is None and known is not None:
            self.work.info(f"{self.url} is in the cache and has not changed")
            self._check(known.digests)
            return known.digests["sha256"]
        return self._learn(cache, key, learned)

    def _learn(self, cache: Cache, key: str, learned: Known | None) -> str:
        if learned is None:
            raise InfrastructureError(f"{self.url}: 'not modified' without having asked")
        partial = cache.partial(key)
        try:
            self._check(learned.digests)
        except JobError:
            http.forget(partial)
            raise
        name = learned.digests["sha256"]
        cache.keep(partial, name)
        http.forget(partial)
        cache.learn(key, learned)
        return name

    def _finish(self, cache: Cache, name: str) -> None:
        """Place the object, decompressed if that is asked for."""
        kind = self.wanted.unpacks
        made = f"{name}-{kind}" if kind else name
        if kind and not cache.has(made):
            with cache.single_flight(made, self.deadline):
                scratch = cache.partial(made)
                self._decompress(cache.path(name), scratch)
                cache.keep(scratch, made)
        cache.place(made, self.wanted.target, writable=self.wanted.writable)

    def _uncached(self) -> None:
        target = self.wanted.target
        scratch = target.with_name(f"{target.name}.part")
        scratch.parent.mkdir(parents=True, exist_ok=True)
        http.forget(scratch)
        learned = http.fetch(self._transfer(scratch))
        self._check(learned.digests if learned else {})
        if self.wanted.unpacks:
            self._decompress(scratch, target)
            scratch.unlink()
        else:
            scratch.replace(target)
        http.forget(scratch)

    def _transfer(self, target: Path) -> http.Transfer:
        return http.Transfer(
            url=self.url,
            target=target,
            deadline=self.deadline,
            limit=self.settings.cache_bytes,
            headers=self.wanted.artifact.headers,
            algorithms=tuple({"sha256", *self._asked()}),
            proxy=self.settings.http_proxy,
            url_format=self.settings.http_url_format,
            progress=self._progress,
        )

    def _progress(self, done: int, total: int | None) -> None:
        if monotonic() - self._logged < _PROGRESS_SECONDS:
            return
        self._logged = monotonic()
        share = f"{100 * done // total:3} % " if total else ""
        self.work.info(f"progress {share}({done // CHUNK_BYTES} MB)")

    def _asked(self) -> dict[str, str]:
        return self.wanted.artifact.digests()

    def _check(self, digests: Mapping[str, str]) -> None:
        for name, expected in self._asked().items():
            if digests.get(name) != expected:
                raise JobError(
                    f"{self.url}: {name} is {digests.get(name)}, the job says {expected}"
                )

    def _decompress(self, source: Path, target: Path) -> None:
        limit, kind = self.settings.cache_bytes, self.wanted.unpacks
        decompress(source, kind, target, limit=limit, deadline=self.deadline)


def _digests(path: Path, algorithms: tuple[str, ...]) -> dict[str, str]:
    with path.open("rb") as source:
        found = {}
        for name in algorithms:
            source.seek(0)
            found[name] = hashlib.file_digest(source, name).hexdigest()
    return found
