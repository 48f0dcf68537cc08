"""Where bundles are kept: a folder, or a store of objects through fsspec (`s3://bucket/labq`)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import fsspec

from labq.config import Settings
from labq.domain.errors import ConfigurationError, InfrastructureError

Check = Callable[[BinaryIO], None]
_DRAFT = ".part"


class Store(Protocol):
    """Keeps bundles under names; one that has its name is whole."""

    place: str

    def draft(self, name: str) -> Path:
        """Return the local file to write a bundle to before it gets its name."""

    def publish(self, name: str, check: Check) -> None:
        """Give the draft its name, once it is on the disk and `check` has read it back."""

    def open(self, name: str) -> BinaryIO:
        """Return a bundle to read from any place; raises InfrastructureError when it is not there."""

    def remove(self, name: str) -> None:
        """Delete a bundle and its draft, of which either or both may not be there."""


class FolderStore:
    """Bundles in a folder; the draft lies beside them, so that the last step is a rename."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder

    def draft(self, name: str) -> Path:
        """Return the file to write to; its folder is made."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        return self._folder / f".{name}{_DRAFT}"

    def publish(self, name: str, check: Check) -> None:
        """Sync the draft, read it back, rename it, sync the folder."""
        draft = self.draft(name)
        _sync(draft)
        with draft.open("rb") as file:
            check(file)
        draft.rename(self._folder / name)
        _sync(self._folder)

    def open(self, name: str) -> BinaryIO:
        """Open a bundle."""
        try:
            return (self._folder / name).open("rb")
        except OSError as error:
            raise _gone(name, self.place, error) from error

    def remove(self, name: str) -> None:
        """Delete it."""
        self.draft(name).unlink(missing_ok=True)
        (self._folder / name).unlink(missing_ok=True)


class ObjectStore:
    """Bundles in a store of objects; drafts are written to a local folder first."""

    def __init__(self, url: str, spool: Path, options: dict[str, Any]) -> None:
        self.place = url
        self._spool = spool
        try:
            found = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError, TypeError) as error:
            message = f"LABQ_ARCHIVE_URL {url} cannot be used: {error}"
            raise ConfigurationError(message) from error
        self._files, self._root = found[0], found[1].rstrip("/")

    def draft(self, name: str) -> Path:
        """Return the file to write to; its folder is made."""
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o750)
        return self._spool / f"{name}{_DRAFT}"

    def publish(self, name: str, check: Check) -> None:
        """Upload the draft under another name, read it back from there, then rename it."""
        draft, target = self.draft(name), self._path(name)
        self._files.makedirs(self._root, exist_ok=True)
        self._files.put_file(str(draft), target + _DRAFT)
        with self._files.open(target + _DRAFT, "rb") as file:
            check(file)
        self._files.mv(target + _DRAFT, target)
        draft.unlink()

    def open(self, name: str) -> BinaryIO:
        """Open a bundle; pieces are fetched as they are read."""
        try:
            return cast("BinaryIO", self._files.open(self._path(name), "rb"))
        except OSError as error:
            raise _gone(name, self.place, error) from error

    def remove(self, name: str) -> None:
        """Delete it."""
        self.draft(name).unlink(missing_ok=True)
        for path in (self._path(name) + _DRAFT, self._path(name)):
            if self._files.exists(path):
                self._files.rm_file(path)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name; raises ConfigurationError."""
    url = settings.archive_url
    if "://" not in url:
        return FolderStore(Path(url) if url else settings.state / "archive")
    try:
        options = json.loads(settings.archive_options or "{}")
    except ValueError as error:
        raise ConfigurationError(f"LABQ_ARCHIVE_OPTIONS is no JSON: {error}") from error
    if not isinstance(options, dict):
        raise ConfigurationError("LABQ_ARCHIVE_OPTIONS is no JSON object")
    return ObjectStore(url, settings.state / "archive-spool", options)


def free_bytes(path: Path) -> int:
    """Return how much room the disk of a draft has."""
    return shutil.disk_usage(path.parent).free


def _gone(name: str, place: str, error: OSError) -> InfrastructureError:
    return InfrastructureError(f"the bundle {name} cannot be read from {place}: {error}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
