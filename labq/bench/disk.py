"""Syncing to disk without stopping the loop: one thread, one round for all who wait."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from labq.bench.vital import vital_thread
from labq.domain.errors import InfrastructureError


class Disk:
    """Group commit: `sync` returns when the files' bytes written before it are on disk."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._wake = threading.Condition()
        self._files: set[int] = set()
        self._waiting: list[asyncio.Future[None]] = []
        self._is_over = False
        self._thread = vital_thread("disk", self._run)
        self._thread.start()

    async def sync(self, files: Iterable[int]) -> None:
        """Wait until the files are on disk; raises InfrastructureError when the disk fails."""
        done: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            self._files.update(files)
            self._waiting.append(done)
            self._wake.notify()
        await done

    def stop(self) -> None:
        """End the thread after what waits is done."""
        with self._wake:
            self._is_over = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._is_over:
                    self._wake.wait()
                files, self._files = self._files, set()
                waiting, self._waiting = self._waiting, []
            if not waiting:
                return
            error = _sync_all(files)
            self._loop.call_soon_threadsafe(_settle, waiting, error)


def _sync_all(files: Iterable[int]) -> OSError | None:
    failed = None
    for file in files:
        try:
            os.fdatasync(file)
        except OSError as error:
            # A file closed in the meantime belongs to a run that is over.
            failed = failed if error.errno == errno.EBADF else error
    return failed


def _settle(waiting: list[asyncio.Future[None]], error: OSError | None) -> None:
    for done in waiting:
        if done.done():
            continue
        if error:
            done.set_exception(InfrastructureError(f"the disk of this host fails: {error}"))
        else:
            done.set_result(None)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: temporary name, sync, rename, sync of the folder."""
    temporary = path.with_name(f"{path.name}.new")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(file, data)
        os.fsync(file)
    finally:
        os.close(file)
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Put a folder's names on disk."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
