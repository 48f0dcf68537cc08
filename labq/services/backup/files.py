"""The files that rows name: logs as far as they are stored, artifacts by their digest; and back."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import zstandard
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, whatever its name
from typing_extensions import override

from labq.artifact_files import ArtifactFiles
from labq.blobs import Logs
from labq.services.backup.bundle import BLOCK, Bundle, Writer, sync_folder
from labq.services.backup.manifest import FILES, LISTING, Files, Member, Stored, write_stored

_LOGS = "SELECT run_id, bytes, is_packed, '' FROM run_log WHERE bytes > 0"
_ARTIFACTS = "SELECT DISTINCT run_id, 0, false, digest FROM artifact"


@dataclass(frozen=True, slots=True)
class Named:
    """A file that a row names: a log of `length` bytes, or an artifact by `digest`."""

    run: int
    length: int = 0
    is_packed: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Copied:
    """A file at hand: its path below the folder, an open source, how long, when it was changed."""

    name: str
    source: BinaryIO
    length: int
    mtime_ns: int


class Wanted:
    """The files to copy, kept aside so that the database need not be held while they are copied."""

    def __init__(self, link: Connection) -> None:
        self._kept = tempfile.TemporaryFile()  # noqa: SIM115 - for `close`
        self.count = 0
        with link.cursor() as cursor:
            for query in (_LOGS, _ARTIFACTS):
                cursor.copy_expert(f"COPY ({query}) TO STDOUT", self._kept)
                self.count += cursor.rowcount

    def __iter__(self) -> Iterator[Named]:
        self._kept.seek(0)
        for line in self._kept:
            run, length, is_packed, digest = line.decode().rstrip("\n").split("\t")
            yield Named(int(run), int(length), is_packed == "t", digest)

    def close(self) -> None:
        """Forget them."""
        self._kept.close()


class FileDump:
    """Copies files into a bundle, those that an earlier bundle has by reference."""

    def __init__(self, folder: Path, writer: Writer, earlier: Bundle | None) -> None:
        self._logs, self._artifacts = Logs(folder), ArtifactFiles(folder)
        self._folder, self._writer, self._earlier = folder, writer, earlier
        self._known = _known(earlier)
        self._missing: list[str] = []
        self._bytes = self._count = 0

    def copy(self, wanted: Wanted, note: Callable[[int], None]) -> Files:
        """Copy all; `note` gets how many are done."""
        packer = zstandard.ZstdCompressor(level=3)
        with tempfile.TemporaryFile() as kept:
            with packer.stream_writer(kept, closefd=False) as listing:
                for number, named in enumerate(wanted, 1):
                    stored = self._copy(named)
                    if stored is not None:
                        listing.write(write_stored(stored))
                        self._count, self._bytes = (
                            self._count + 1,
                            self._bytes + stored.member.bytes,
                        )
                    note(number)
            length = kept.tell()
            kept.seek(0)
            member = self._writer.put(LISTING, kept, length)
        return Files(
            listing=member, count=self._count, bytes=self._bytes, missing=tuple(self._missing)
        )

    def _copy(self, named: Named) -> Stored | None:
        try:
            found = self._open(named)
        except (FileNotFoundError, NotADirectoryError):
            self._missing.append(self._describe(named))
            return None
        with found.source:
            member = self._link(found)
            if member is None:
                member = self._writer.put(FILES + found.name, found.source, found.length)
        if named.digest and member.sha256 != named.digest:
            self._missing.append(f"{self._describe(named)}: its bytes are not those of its digest")
        return Stored(name=found.name, member=member, mtime_ns=found.mtime_ns)

    def _open(self, named: Named) -> Copied:
        if named.digest:
            return self._whole(self._artifacts.path(named.run, named.digest))
        if named.is_packed:
            try:
                return self._whole(self._logs.place(named.run, is_packed=True))
            except FileNotFoundError:
                pass  # bytes came late, and it is a plain file again
        reader = _LogReader(self._logs, named)
        name = self._name(self._logs.place(named.run, is_packed=False))
        return Copied(name, io.BufferedReader(reader, BLOCK), named.length, 0)

    def _whole(self, path: Path) -> Copied:
        source = path.open("rb")
        state = os.fstat(source.fileno())
        return Copied(self._name(path), source, state.st_size, state.st_mtime_ns)

    def _link(self, found: Copied) -> Member | None:
        known = self._known.get(found.name)
        if known is None or self._earlier is None or not known.mtime_ns:
            return None
        if (known.mtime_ns, known.member.bytes) != (found.mtime_ns, found.length):
            return None
        return self._writer.link(FILES + found.name, known.member, self._earlier.path)

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._folder))

    def _describe(self, named: Named) -> str:
        if named.digest:
            return self._name(self._artifacts.path(named.run, named.digest))
        return self._name(self._logs.place(named.run, is_packed=named.is_packed))


def restore(
    bundle: Bundle, folder: Path, takes: Callable[[str], bool], note: Callable[[int], None]
) -> int:
    """Write the files of a bundle that `takes` accepts by name below a folder; return how many."""
    written = 0
    for number, stored in enumerate(bundle.stored(), 1):
        if takes(stored.name):
            path = folder / stored.name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            with bundle.open(stored.member) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, BLOCK)
            path.chmod(0o640)
            written += 1
        note(number)
    os.sync()
    return written


def put_in_place(fresh: Path, folder: Path) -> None:
    """Let a folder just written take the place of the server's folder of logs and artifacts."""
    former = folder.with_name(folder.name + ".former")
    shutil.rmtree(former, ignore_errors=True)
    if folder.exists():
        folder.rename(former)
    fresh.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(former, ignore_errors=True)


class _LogReader(io.RawIOBase):
    """The first bytes of a log, in whatever form it is meanwhile."""

    def __init__(self, logs: Logs, named: Named) -> None:
        self._logs, self._named, self._at = logs, named, 0
        if not any(logs.place(named.run, is_packed=form).exists() for form in (False, True)):
            raise FileNotFoundError(named.run)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any buffer, by its protocol
        wanted = min(len(buffer), self._named.length - self._at)
        block = self._logs.read(self._named.run, self._at, wanted) if wanted else b""
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)


def _known(earlier: Bundle | None) -> Mapping[str, Stored]:
    return {stored.name: stored for stored in earlier.stored()} if earlier else {}
