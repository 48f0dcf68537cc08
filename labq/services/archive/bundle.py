"""The file that archived jobs are in: a tar of zstd frames, one job after the other, and an index.

Any program reads it (`tar --zstd -xf`). The last member, `manifest.json`, has the digest of each
member and where each job's frames begin; a last, skippable frame says where the manifest is, so that
one job is read without unpacking the others.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, BinaryIO

import zstandard
from typing_extensions import Buffer, override

from labq.domain.errors import InfrastructureError

FORMAT = 1
MANIFEST = "manifest.json"
LEVEL = 6
_BLOCK = 256 * 1024
_TAR_BLOCK = 512
_SKIPPABLE = struct.Struct("<II")
_SKIPPABLE_MAGIC = 0x184D2A5B
_MARK = struct.Struct("<QQ32s8s")
_MARK_MAGIC = b"LABQARC1"
_FOOT = _SKIPPABLE.size + _MARK.size


class DamagedBundleError(InfrastructureError):
    """A bundle is not what was written; the message names the file and the place."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file in a bundle; `sha256` is of its bytes as they were before packing."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class JobEntry:
    """Where a job's frames begin, how many bytes they have, and what is in them."""

    id: int
    offset: int
    bytes: int
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle says of itself; `schema` is the revision of the database it came from."""

    name: str
    day: str
    schema: str
    created_at: str
    counts: Mapping[str, int]
    jobs: tuple[JobEntry, ...]
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Written:
    """A whole bundle: its bytes, their SHA-256 in hexadecimal, and how many jobs it has."""

    bytes: int
    sha256: str
    jobs: int


@dataclass(slots=True)
class _Counted(io.RawIOBase):
    """Counts and digests what goes through to a file."""

    target: BinaryIO
    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer, /) -> int:
        self.target.write(data)
        self.digest.update(data)
        size = memoryview(data).nbytes
        self.count += size
        return size


class BundleWriter:
    """Writes one bundle; jobs come one after the other, `finish` ends it."""

    def __init__(self, target: BinaryIO) -> None:
        self._out = _Counted(target)
        self._jobs: list[JobEntry] = []

    @property
    def bytes(self) -> int:
        """Return how many bytes are written so far."""
        return self._out.count

    @contextmanager
    def job(self, job: int) -> Iterator[JobWriter]:
        """Write a job: add its members within the block."""
        begin = self._out.count
        with _frame(self._out) as stream:
            writer = JobWriter(stream)
            yield writer
        entry = JobEntry(job, begin, self._out.count - begin, tuple(writer.members))
        self._jobs.append(entry)

    def finish(self, *, name: str, day: str, schema: str, created_at: str) -> Written:
        """Write manifest and index; the caller syncs and closes the file."""
        manifest = Manifest(
            name=name,
            day=day,
            schema=schema,
            created_at=created_at,
            counts={"jobs": len(self._jobs), "members": sum(len(j.members) for j in self._jobs)},
            jobs=tuple(self._jobs),
        )
        text = json.dumps(asdict(manifest), separators=(",", ":")).encode()
        begin = self._out.count
        with _frame(self._out) as stream:
            JobWriter(stream).add(MANIFEST, len(text), [text])
            stream.write(bytes(2 * _TAR_BLOCK))
        mark = _MARK.pack(
            begin, self._out.count - begin, hashlib.sha256(text).digest(), _MARK_MAGIC
        )
        self._out.write(_SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(mark)) + mark)
        return Written(self._out.count, self._out.digest.hexdigest(), len(self._jobs))


class JobWriter:
    """The members of one job, as a piece of the tar."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.members: list[Member] = []

    def add(self, name: str, size: int, blocks: Iterable[bytes]) -> None:
        """Add a file whose blocks have `size` bytes together; raises InfrastructureError if not."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o640
        self._stream.write(info.tobuf(tarfile.PAX_FORMAT))
        digest, count = hashlib.sha256(), 0
        for block in blocks:
            self._stream.write(block)
            digest.update(block)
            count += len(block)
        if count != size:
            raise InfrastructureError(f"{name} has {count} bytes instead of {size}")
        self._stream.write(bytes(-size % _TAR_BLOCK))
        self.members.append(Member(name, size, digest.hexdigest()))


class BundleReader:
    """Reads one bundle: its manifest at once, jobs as they are asked for.

    Everything raises DamagedBundleError where the file is not what was written.
    """

    def __init__(self, name: str, source: BinaryIO) -> None:
        self._name = name
        self._source = source
        self.manifest = self._load()

    def entry(self, job: int) -> JobEntry | None:
        """Return where a job is, None when it is not in here."""
        return next((entry for entry in self.manifest.jobs if entry.id == job), None)

    def members(self, entry: JobEntry) -> Iterator[tuple[Member, BinaryIO]]:
        """Yield a job's members with their bytes; each must be read before the next is asked for.

        A member whose bytes are not those of its digest raises when it is read as one, or when the
        next one is asked for.
        """
        known = {member.name: member for member in entry.members}
        with self._unpacked(entry.offset, entry.bytes) as archive:
            for info in archive:
                file, member = archive.extractfile(info), known.pop(info.name, None)
                if file is None or member is None:
                    raise self._damage(entry.offset, f"{info.name!r} is not in the manifest")
                checked = _Checked(file, partial(self._check, member, entry.offset))
                yield member, checked  # type: ignore[misc]  # it is only read
                checked.finish()
        if known:
            raise self._damage(entry.offset, f"job {entry.id} lacks {', '.join(sorted(known))}")

    def verify(self) -> None:
        """Read everything and compare it with the manifest."""
        for entry in self.manifest.jobs:
            for _member, _file in self.members(entry):
                pass

    def _load(self) -> Manifest:
        size = self._source.seek(0, io.SEEK_END)
        place = size - _FOOT
        if place < 0:
            raise self._damage(size, f"it has {size} bytes and no index at its end: it was cut")
        self._source.seek(place + _SKIPPABLE.size)
        offset, length, digest, magic = _MARK.unpack(self._source.read(_MARK.size))
        if magic != _MARK_MAGIC or offset + length != place:
            raise self._damage(place, f"no index at the end of its {size} bytes: it was cut")
        with self._unpacked(offset, length) as archive:
            info = archive.next()
            file = archive.extractfile(info) if info and info.name == MANIFEST else None
            text = file.read() if file else b""
        if hashlib.sha256(text).digest() != digest:
            raise self._damage(offset, "the manifest is not the one that was written")
        return _manifest(json.loads(text))

    @contextmanager
    def _unpacked(self, offset: int, length: int) -> Iterator[tarfile.TarFile]:
        """Give the tar in a piece of the file; what cannot be unpacked is damage at that place."""
        unpacker = zstandard.ZstdDecompressor()
        window = _Window(self._source, offset, length)
        try:
            with (
                unpacker.stream_reader(
                    window,  # type: ignore[arg-type]  # it is only read
                    read_across_frames=True,
                    closefd=False,
                ) as stream,
                tarfile.open(fileobj=stream, mode="r|") as archive,
            ):
                yield archive
        except (zstandard.ZstdError, tarfile.TarError, EOFError) as error:
            raise self._damage(offset, str(error)) from error

    def _check(self, member: Member, place: int, size: int, sha256: str) -> None:
        if (size, sha256) != (member.bytes, member.sha256):
            text = f"{member.name} has {size} bytes that are not the {member.bytes} written"
            raise self._damage(place, text)

    def _damage(self, place: int, text: str) -> DamagedBundleError:
        return DamagedBundleError(f"{self._name} is damaged at byte {place}: {text}")


@dataclass(slots=True)
class _Checked:
    """Digests what is read of a member; whoever reads all of it at once gets what was written."""

    source: Any
    check: Callable[[int, str], None]
    count: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def read(self, size: int = -1, /) -> bytes:
        data: bytes = self.source.read(size)
        self.count += len(data)
        self.digest.update(data)
        if size < 0:
            self.check(self.count, self.digest.hexdigest())
        return data

    def finish(self) -> None:
        """Read what is left, and check all of it."""
        while self.read(_BLOCK):
            pass
        self.check(self.count, self.digest.hexdigest())


class _Window(io.RawIOBase):
    """A piece of a file as a file."""

    def __init__(self, source: BinaryIO, offset: int, length: int) -> None:
        self._source = source
        self._at = offset
        self._end = offset + length

    @override
    def readable(self) -> bool:
        return True

    @override
    def read(self, size: int = -1, /) -> bytes:
        left = self._end - self._at
        self._source.seek(self._at)
        data = self._source.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


@contextmanager
def _frame(out: _Counted) -> Iterator[BinaryIO]:
    """Give a stream whose bytes become one zstd frame."""
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with packer.stream_writer(out, closefd=False) as stream:  # type: ignore[arg-type]  # writes only
        yield stream


def _manifest(found: dict[str, Any]) -> Manifest:
    jobs = tuple(
        JobEntry(
            one["id"], one["offset"], one["bytes"], tuple(Member(**each) for each in one["members"])
        )
        for one in found["jobs"]
    )
    names = ("name", "day", "schema", "created_at", "counts", "format")
    return Manifest(jobs=jobs, **{name: found[name] for name in names})
