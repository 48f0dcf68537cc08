"""What a bundle says of itself: where each part is, how long, its digest; rows, sequences, schema."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from labq.domain.errors import InfrastructureError

FORMAT = 1
MANIFEST = "manifest.json"
END = "end"
LISTING = "files.jsonl.zst"
FILES = "blobs/"
_FILE = re.compile(r"(logs/\d{1,16}/\d{1,19}\.(log|zst)|artifacts/\d{1,16}/\d{1,19}/[0-9a-f]{64})")
_STORED_AS = re.compile(FILES + _FILE.pattern)
_PIECE = re.compile(r"tables/[A-Za-z0-9_$]+/\d+\.zst")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}")
_OPTION = re.compile(r"[a-z_.]+=[a-z0-9.]+")
_BOUND = re.compile(r"FOR VALUES FROM \('[0-9: .+-]+'\) TO \('[0-9: .+-]+'\)|DEFAULT")


class DamagedBundleError(InfrastructureError):
    """A bundle was cut, or is not what was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A part of a bundle: its path, where its bytes begin in a bundle of one file, SHA-256."""

    name: str
    at: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some rows of a table in the text form of COPY, as one zstd frame."""

    member: Member
    rows: int


@dataclass(frozen=True, slots=True)
class Shape:
    """A table that holds rows; a partition has the table it is of, its bounds and
    its storage options in SQL."""

    name: str
    columns: tuple[str, ...]
    parent: str | None = None
    bound: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a bundle."""

    shape: Shape
    rows: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """Where a sequence stands; `is_called`: the next number is the one after `last`."""

    name: str
    last: int
    is_called: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file below the server's folder of logs and artifacts; `mtime_ns` is the source's."""

    name: str
    member: Member
    mtime_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of a bundle: `listing` has a `Stored` a line; `missing` were named and not there."""

    listing: Member
    count: int
    bytes: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A bundle. `files` is None when it was made without logs and artifacts."""

    format: int
    labq: str
    revision: str
    server: str
    made_at: datetime
    tables: tuple[Table, ...]
    sequences: tuple[Sequence, ...]
    files: Files | None

    @property
    def rows(self) -> int:
        """Return how many rows there are in all."""
        return sum(table.rows for table in self.tables)

    @property
    def bytes(self) -> int:
        """Return how many bytes the rows and files take in the bundle."""
        rows = sum(piece.member.bytes for table in self.tables for piece in table.pieces)
        return rows + (self.files.bytes if self.files else 0)


_MANIFEST = TypeAdapter(Manifest)
_STORED = TypeAdapter(Stored)


def write_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as JSON."""
    return _MANIFEST.dump_json(manifest, indent=1) + b"\n"


def read_manifest(text: bytes, source: Path) -> Manifest:
    """Return what `write_manifest` wrote; raises DamagedBundleError, also for names nobody writes."""
    try:
        manifest = _MANIFEST.validate_json(text)
    except ValidationError as error:
        (problem, *_) = error.errors()
        place = ".".join(str(part) for part in problem["loc"])
        reason = f"{source}, {MANIFEST}: {place or 'document'}: {problem['msg']}"
        raise DamagedBundleError(reason) from error
    if manifest.format != FORMAT:
        raise DamagedBundleError(
            f"{source} has form {manifest.format}, this labq reads {FORMAT}: use the labq "
            f"{manifest.labq} that made it, or a newer one"
        )
    for table in manifest.tables:
        check_shape(table.shape, source)
        for piece in table.pieces:
            _check(_PIECE, piece.member.name, source)
    for sequence in manifest.sequences:
        _check(_NAME, sequence.name, source)
    if manifest.files is not None and manifest.files.listing.name != LISTING:
        raise DamagedBundleError(f"{source}: the list of files is not in {LISTING}")
    return manifest


def check_shape(shape: Shape, source: Path) -> None:
    """Raise DamagedBundleError when names or bounds are none that labq's tables can have."""
    for name in (shape.name, *shape.columns, *filter(None, [shape.parent])):
        _check(_NAME, name, source)
    if (shape.bound is None) != (shape.parent is None):
        raise DamagedBundleError(
            f"{source}: {shape.name} is a partition without bounds, or of none"
        )
    if shape.bound is not None:
        _check(_BOUND, shape.bound, source)
    for option in shape.options:
        _check(_OPTION, option, source)


def write_stored(stored: Stored) -> bytes:
    """Return a line of the listing."""
    return _STORED.dump_json(stored) + b"\n"


def read_stored(line: bytes, source: Path) -> Stored:
    """Return what a line of the listing says; raises DamagedBundleError."""
    try:
        stored = _STORED.validate_json(line)
    except ValidationError as error:
        raise DamagedBundleError(f"{source}, {LISTING}: {line[:80]!r} is no entry") from error
    _check(_FILE, stored.name, source)
    _check(_STORED_AS, stored.member.name, source)
    return stored


def _check(form: re.Pattern[str], text: str, source: Path) -> None:
    if not form.fullmatch(text):
        raise DamagedBundleError(
            f"{source}: {text[:100]!r} stands where labq writes {form.pattern}"
        )
