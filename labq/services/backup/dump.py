"""Writes a bundle: all rows as they are at one moment, read over several connections, and their files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import zstandard
from psycopg2 import sql
from psycopg2.errors import UndefinedTable
from psycopg2.extensions import connection as Connection  # noqa: N812 - a class, whatever its name

from labq import __version__
from labq.domain.errors import ConfigurationError, ConflictError
from labq.services import schema
from labq.services.backup import bundle, catalog
from labq.services.backup.bundle import Bundle, Writer
from labq.services.backup.catalog import Extent
from labq.services.backup.files import FileDump, Wanted
from labq.services.backup.links import begin_reading, end_reading, linked, team
from labq.services.backup.manifest import FORMAT, Files, Manifest, Piece, Table
from labq.services.backup.watcher import Watcher
from labq.services.dump_lock import DUMP_LOCK

APPLICATION = "labq dump"
SLICE_BYTES = 32 * 1024 * 1024
"""About how much of a table is read at once; a connection's memory is of that order."""
TID_RANGES_SINCE = 140000  # PostgreSQL 14: a range of row addresses reads no other pages
LEVEL = 6
TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpOptions:
    """`folder` holds the server's logs and artifacts, None for a bundle without; `earlier` has some."""

    jobs: int
    folder: Path | None
    earlier: Path | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of a table by their addresses: pages from `first` to before `end`, None for all the rest."""

    extent: Extent
    first: int
    end: int | None


def write(url: str, given: str, options: DumpOptions, watcher: Watcher) -> Manifest:
    """Write the bundle `given` (a file, or a folder that ends with a slash) and return its manifest.

    Raises ConfigurationError for a schema that is not this labq's, ConflictError when something is
    there already. What was begun is removed when it fails.
    """
    schema.check(url)
    earlier = Bundle(options.earlier) if options.earlier else None
    if earlier and not earlier.is_folder:
        raise ConfigurationError(f"{earlier.path} is a file: only a folder can be built upon")
    writer = bundle.make_writer(given)
    try:
        manifest = _Dump(url, writer, options, watcher).run(earlier)
        writer.finish(manifest)
    except BaseException:
        writer.discard()
        raise
    return manifest


class _Dump:
    """One dump at work."""

    def __init__(self, url: str, writer: Writer, options: DumpOptions, watcher: Watcher) -> None:
        self._url, self._writer, self._options, self._watcher = url, writer, options, watcher

    def run(self, earlier: Bundle | None) -> Manifest:
        """Write all members but the manifest, and return it."""
        with linked(self._url, APPLICATION) as lead, linked(self._url, APPLICATION) as guard:
            # A connection of its own: the snapshot's transaction ends before files are copied.
            _ask(guard, "SELECT pg_advisory_lock_shared(%s)", DUMP_LOCK)
            moment = datetime.now(UTC)
            extents, snapshot = _agree(lead)
            revision = str(catalog.find_revision(lead))
            sequences = catalog.find_sequences(lead)
            tables = self._read(extents, snapshot)
            wanted = Wanted(lead) if self._options.folder else None
            end_reading(lead)
            files = self._copy(wanted, earlier) if wanted else None
            return Manifest(
                format=FORMAT,
                labq=__version__,
                revision=revision,
                server=str(lead.server_version),
                made_at=moment,
                tables=tables,
                sequences=sequences,
                files=files,
            )

    def _read(self, extents: Sequence[Extent], snapshot: str) -> tuple[Table, ...]:
        """Read all tables, slice by slice, over several connections."""
        self._watcher.phase(f"reading {len(extents)} tables")
        found: dict[str, dict[int, Piece]] = {extent.shape.name: {} for extent in extents}
        with team(self._url, APPLICATION, self._options.jobs) as (readers, links):
            for link in links:
                begin_reading(link, found, snapshot)
            slices = [part for extent in extents for part in cut(extent, links[0].server_version)]
            for done, (part, piece) in enumerate(readers.each(self._piece, slices), 1):
                if piece is not None:
                    found[part.extent.shape.name][part.first] = piece
                self._watcher.progress(done, len(slices))
        return tuple(_table(extent, found[extent.shape.name]) for extent in extents)

    def _piece(self, link: Connection, part: Slice) -> Piece | None:
        """Read a slice into a zstd frame, and put that into the bundle; None without rows."""
        packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        with tempfile.SpooledTemporaryFile(max_size=SLICE_BYTES) as kept, link.cursor() as cursor:
            with packer.stream_writer(kept, closefd=False) as target:
                cursor.copy_expert(_copy_of(part).as_string(link), target)
            rows, length = cursor.rowcount, kept.tell()
            if not rows:
                return None
            kept.seek(0)
            name = f"tables/{part.extent.shape.name}/{part.first:010}.zst"
            return Piece(member=self._writer.put(name, kept, length), rows=rows)

    def _copy(self, wanted: Wanted, earlier: Bundle | None) -> Files | None:
        if self._options.folder is None:
            return None
        self._watcher.phase(f"copying {wanted.count} files")
        copier = FileDump(self._options.folder, self._writer, earlier)
        with closing(wanted):
            return copier.copy(wanted, lambda done: self._watcher.progress(done, wanted.count))


def cut(extent: Extent, server_version: int) -> list[Slice]:
    """Return the slices of a table; rows that came after the snapshot are behind the last."""
    if extent.bytes <= SLICE_BYTES or server_version < TID_RANGES_SINCE:
        return [Slice(extent, 0, None)]
    step = max(1, extent.pages * SLICE_BYTES // extent.bytes)
    starts = [*range(0, extent.pages, step)] or [0]
    return [
        Slice(extent, first, end) for first, end in zip(starts, [*starts[1:], None], strict=True)
    ]


def _agree(link: Connection) -> tuple[list[Extent], str]:
    """Begin to read all tables there are at one moment, and return them and the moment's name."""
    for _ in range(TRIES):
        names = {extent.shape.name for extent in catalog.find_tables(link)}
        with suppress(UndefinedTable):
            begin_reading(link, names)
            snapshot = _ask(link, "SELECT pg_export_snapshot()")
            extents = catalog.find_tables(link)
            if names == {extent.shape.name for extent in extents}:
                return extents, str(snapshot)
        end_reading(link)
    raise ConflictError("tables come and go in this database: wait until its upgrade is over")


def _copy_of(part: Slice) -> sql.Composed:
    """Return the statement that reads a slice."""
    shape = part.extent.shape
    bounds = [sql.SQL("ctid >= {}::tid").format(sql.Literal(f"({part.first},0)"))]
    if part.end is not None:
        bounds.append(sql.SQL("ctid < {}::tid").format(sql.Literal(f"({part.end},0)")))
    return sql.SQL("COPY (SELECT {} FROM ONLY {} WHERE {}) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, shape.columns)),
        sql.Identifier(shape.name),
        sql.SQL(" AND ").join(bounds),
    )


def _table(extent: Extent, pieces: Mapping[int, Piece]) -> Table:
    ordered = tuple(pieces[first] for first in sorted(pieces))
    return Table(shape=extent.shape, rows=sum(piece.rows for piece in ordered), pieces=ordered)


def _ask(link: Connection, query: str, *values: object) -> object:
    with link.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
        return row[0] if row else None
