"""What can be restored: a bundle, or a plain dump; both are read whole before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, whatever its name
from typing_extensions import override

from labq.services.backup import load, manifest
from labq.services.backup.bundle import Bundle
from labq.services.backup.links import Team
from labq.services.backup.manifest import DamagedBundleError, Member, Piece, Shape
from labq.services.backup.plain import PlainDump, is_plain
from labq.services.backup.watcher import Watcher


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a source; `bundle` is where files are, None when it cannot have any."""

    path: Path
    revision: str
    rows: int
    shapes: Sequence[Shape]
    sequences: Sequence[manifest.Sequence]
    bundle: Bundle | None


class Source(Protocol):
    """Something whose rows can be loaded."""

    contents: Contents

    def load(self, team: Team, link: Connection, watcher: Watcher) -> None:
        """Load all rows; raises DamagedBundleError when they are not as many as there should be."""


def find(path: Path, watcher: Watcher) -> Source:
    """Return what is at `path`, read and checked; raises DamagedBundleError naming file and place."""
    if not path.exists():
        raise DamagedBundleError(f"{path}: there is no such file or folder")
    return _Plain(path, watcher) if is_plain(path) else _Bundled(path, watcher)


class _Bundled(Source):
    def __init__(self, path: Path, watcher: Watcher) -> None:
        self._bundle = Bundle(path)
        known = self._bundle.manifest
        self.contents = Contents(
            path=path,
            revision=known.revision,
            rows=known.rows,
            shapes=[table.shape for table in known.tables],
            sequences=known.sequences,
            bundle=self._bundle,
        )
        _verify(self._bundle, watcher)

    @override
    def load(self, team: Team, link: Connection, watcher: Watcher) -> None:
        pieces = [
            (table.shape, piece) for table in self._bundle.manifest.tables for piece in table.pieces
        ]
        done = 0
        for (_, piece), _ in team.each(self._load, pieces):
            done += piece.rows
            watcher.progress(done, self.contents.rows)

    def _load(self, link: Connection, one: tuple[Shape, Piece]) -> None:
        shape, piece = one
        where = f"{self._bundle.place(piece.member)}: {piece.member.name}"
        with self._bundle.unpacked(piece.member) as rows:
            _compare(load.copy(link, shape, rows, where), piece.rows, where)


class _Plain(Source):
    def __init__(self, path: Path, watcher: Watcher) -> None:
        watcher.phase(f"checking {path}")
        self._dump = PlainDump(path)
        found = self._dump.survey()
        self._blocks = found.blocks
        self.contents = Contents(
            path=path,
            revision=found.revision,
            rows=found.rows,
            shapes=[block.shape for block in found.blocks],
            sequences=found.sequences,
            bundle=None,
        )

    @override
    def load(self, team: Team, link: Connection, watcher: Watcher) -> None:
        done = 0
        for block, (shape, rows) in zip(self._blocks, self._dump.blocks(), strict=True):
            where = f"{self.contents.path}: table {shape.name}"
            _compare(load.copy(link, shape, rows, where), block.rows, where)
            done += block.rows
            watcher.progress(done, self.contents.rows)


def _verify(bundle: Bundle, watcher: Watcher) -> None:
    """Read every byte of a bundle and compare it with the manifest."""
    watcher.phase(f"checking {bundle.path}")
    total = bundle.manifest.bytes
    done = 0
    for member in _members(bundle):
        bundle.check(member)
        done += member.bytes
        watcher.progress(done, total)


def _members(bundle: Bundle) -> Iterator[Member]:
    for table in bundle.manifest.tables:
        yield from (piece.member for piece in table.pieces)
    if bundle.manifest.files is not None:
        bundle.check(bundle.manifest.files.listing)
        yield from (stored.member for stored in bundle.stored())


def _compare(loaded: int, wanted: int, where: str) -> None:
    if loaded != wanted:
        raise DamagedBundleError(f"{where}: {loaded} rows were loaded, and {wanted} were written")
