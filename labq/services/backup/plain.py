"""Reads pg_dump's plain SQL: the rows of labq's tables, nothing else of it.

No statement of the file is carried out: the schema comes from labq's own migrations. So a file of a
stranger can do no more than bring wrong rows. The file is read twice, and kept nowhere.
"""

from __future__ import annotations

import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard
from typing_extensions import override

from labq.services.backup.bundle import BLOCK, MOST_WINDOW
from labq.services.backup.catalog import VERSION_TABLE
from labq.services.backup.manifest import DamagedBundleError, Sequence, Shape, check_shape
from labq.services.backup.sql_text import MOST_STATEMENT_BYTES, Scanner

_COMPLETE = b"-- PostgreSQL database dump complete"
# What pg_dump writes for psql; its tokens say nothing to anybody else.
_PSQL = re.compile(rb"\\(un)?restrict [A-Za-z0-9]+\s*|\\connect .*")
_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_$]*)'
_COPY = re.compile(
    rf"COPY (?:public\.)?({_IDENTIFIER}) \(({_IDENTIFIER}(?:, {_IDENTIFIER})*)\) FROM stdin;"
)
_ATTACH = re.compile(
    rf"ALTER TABLE ONLY (?:public\.)?({_IDENTIFIER}) ATTACH PARTITION (?:public\.)?({_IDENTIFIER}) "
    r"(FOR VALUES .*|DEFAULT);"
)
_SETVAL = re.compile(
    rf"SELECT pg_catalog\.setval\('(?:public\.)?({_IDENTIFIER})', (\d+), (true|false)\);"
)
_ENCODING = re.compile(r"SET client_encoding = '(.*)';")
MOST_BYTES = 1024 * 1024 * 1024 * 1024
"""How much text a file may hold: more is taken for one that was made to fill disks."""
_XZ_MEMORY = 256 * 1024 * 1024


class _Text(Protocol):
    def readline(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one COPY block."""

    shape: Shape
    rows: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a first reading of a file found."""

    revision: str
    blocks: tuple[Block, ...]
    sequences: tuple[Sequence, ...]

    @property
    def rows(self) -> int:
        """Return how many rows there are in all."""
        return sum(block.rows for block in self.blocks)


@dataclass(slots=True)
class _Notes:
    """What was read so far."""

    revision: str = ""
    blocks: list[Block] = field(default_factory=list)
    sequences: list[Sequence] = field(default_factory=list)
    partitions: dict[str, tuple[str, str]] = field(default_factory=dict)


def is_plain(path: Path) -> bool:
    """Tell whether a file is named like a plain dump: `.sql`, also `.gz`, `.xz` or `.zst`."""
    return path.is_file() and path.suffix in {".sql", ".gz", ".xz", ".zst"}


class PlainDump:
    """A file of pg_dump's; `most_bytes` bounds its text."""

    def __init__(self, path: Path, most_bytes: int = MOST_BYTES) -> None:
        self.path = path
        self._most_bytes = most_bytes

    def survey(self) -> Found:
        """Read all of it; raises DamagedBundleError, naming the line, when it is not whole."""
        notes = _Notes()
        with self._lines() as lines:
            for statement in _statements(lines):
                self._note(notes, statement, lines)
            if not lines.is_complete:
                raise lines.error("the file was cut: it has no end of pg_dump's")
            if not notes.revision:
                raise lines.error("it has no revision of labq's schema: it is no dump of labq")
        for number, block in enumerate(notes.blocks):
            parent, bound = notes.partitions.get(block.shape.name, (None, None))
            shape = replace(block.shape, parent=parent, bound=bound)
            check_shape(shape, self.path)
            notes.blocks[number] = replace(block, shape=shape)
        return Found(notes.revision, tuple(notes.blocks), tuple(notes.sequences))

    def blocks(self) -> Iterator[tuple[Shape, BinaryIO]]:
        """Yield the table and the rows of each COPY block; what is left of them is passed over."""
        with self._lines() as lines:
            for statement in _statements(lines):
                shape = _copied(statement)
                if shape is None:
                    continue
                rows = _Rows(lines)
                if shape.name != VERSION_TABLE:
                    yield shape, io.BufferedReader(rows, BLOCK)
                rows.pass_over()

    def _note(self, notes: _Notes, statement: str, lines: _Lines) -> None:
        if statement.startswith("INSERT "):
            raise lines.error(
                "rows stand in INSERTs: dump without --inserts, so that they are COPY"
            )
        shape = _copied(statement)
        if shape is not None:
            rows = _Rows(lines)
            if shape.name == VERSION_TABLE:
                notes.revision = rows.only()
            else:
                notes.blocks.append(Block(shape, rows.pass_over()))
        elif statement.startswith("COPY "):
            raise lines.error(f"{statement[:100]!r} is not a COPY of a table of labq's")
        elif found := _ATTACH.fullmatch(statement):
            notes.partitions[_plain(found[2])] = _plain(found[1]), found[3]
        elif found := _SETVAL.fullmatch(statement):
            last, is_called = int(found[2]), found[3] == "true"
            notes.sequences.append(Sequence(name=_plain(found[1]), last=last, is_called=is_called))
        elif (found := _ENCODING.fullmatch(statement)) and found[1] != "UTF8":
            raise lines.error(f"its text is {found[1]}: dump with --encoding=UTF8")

    @contextmanager
    def _lines(self) -> Iterator[_Lines]:
        with self.path.open("rb") as packed:
            yield _Lines(self.path, packed, _unpacked(self.path, packed), self._most_bytes)


class _Lines:
    """The lines of a file's text, with the place for messages."""

    def __init__(self, path: Path, packed: BinaryIO, text: _Text, most_bytes: int) -> None:
        self._path, self._packed, self._text = path, packed, text
        self._left = self._most = most_bytes
        self.number = 0
        self.is_complete = False

    def next(self) -> bytes:
        """Return a line, or the part of a very long one; nothing at the end."""
        try:
            line = self._text.readline(BLOCK)
        except (EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError, OSError) as error:
            reason = f"it cannot be read any further ({error}): the file was cut or changed"
            raise self.error(reason) from error
        self._left -= len(line)
        if self._left < 0:
            raise self.error(f"it unpacks to more than {self._most} bytes")
        self.number += line.endswith(b"\n")
        return line

    def error(self, reason: str) -> DamagedBundleError:
        """Return an error that names the place."""
        packed = self._packed.tell()
        return DamagedBundleError(
            f"{self._path}, line {self.number + 1} (byte {self._most - self._left} of the text, "
            f"{packed} of the file): {reason}"
        )


class _Rows(io.RawIOBase):
    """The rows that follow a COPY statement, up to their end mark."""

    def __init__(self, lines: _Lines) -> None:
        self._lines = lines
        self._rest = b""
        self._is_over = False
        self._is_begun = False

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any buffer, by its protocol
        if not self._rest:
            self._rest = self._next()
        block, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(block)] = block
        return len(block)

    def pass_over(self) -> int:
        """Read to the end and return how many rows there were."""
        rows = 0
        while block := self._next():
            rows += block.endswith(b"\n")
        return rows

    def only(self) -> str:
        """Return the one short row."""
        text = self._next().decode(errors="replace").strip()
        self.pass_over()
        return text

    def _next(self) -> bytes:
        if self._is_over:
            return b""
        line = self._lines.next()
        if not line or (not line.endswith(b"\n") and len(line) < BLOCK):
            raise self._lines.error("the file was cut, among the rows of a table")
        if line == b"\\.\n" and not self._is_begun:
            self._is_over = True
            return b""
        self._is_begun = not line.endswith(b"\n")
        return line


def _statements(lines: _Lines) -> Iterator[str]:
    """Yield the statements of a file, each on one line, without comments."""
    scanner = Scanner()
    while line := lines.next():
        if scanner.is_between:
            if line.startswith(_COMPLETE):
                lines.is_complete = True
            if line.startswith(b"\\"):
                if not _PSQL.fullmatch(line.rstrip(b"\n")):
                    raise lines.error(
                        f"{line[:40]!r} is a command of psql, which pg_dump never writes"
                    )
                continue
        statement = scanner.feed(line)
        if scanner.size > MOST_STATEMENT_BYTES:
            raise lines.error(f"a statement has more than {MOST_STATEMENT_BYTES} bytes")
        if statement is not None:
            yield statement
    if not scanner.is_between:
        raise lines.error("the file was cut, within a statement")


def _copied(statement: str) -> Shape | None:
    """Return the table and the columns of a COPY statement, None for any other."""
    found = _COPY.fullmatch(statement)
    if found is None:
        return None
    columns = tuple(_plain(name) for name in re.findall(_IDENTIFIER, found[2]))
    return Shape(name=_plain(found[1]), columns=columns)


def _plain(identifier: str) -> str:
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier


def _unpacked(path: Path, packed: BinaryIO) -> _Text:
    match path.suffix:
        case ".gz":
            return gzip.GzipFile(fileobj=packed)
        case ".xz":
            return io.BufferedReader(_Xz(packed), BLOCK)
        case ".zst":
            unpacker = zstandard.ZstdDecompressor(max_window_size=MOST_WINDOW)
            return io.BufferedReader(unpacker.stream_reader(packed, read_across_frames=True), BLOCK)
        case _:
            return packed


class _Xz(io.RawIOBase):
    """Unpacked xz streams, with a bound on memory that `lzma.LZMAFile` has not."""

    def __init__(self, packed: BinaryIO) -> None:
        self._packed = packed
        self._given = b""
        self._unpacker: lzma.LZMADecompressor | None = None

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any buffer, by its protocol
        block = b""
        while not block and self._has_more():
            block = self._unpack(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def _has_more(self) -> bool:
        """Tell whether there is anything to unpack; raises EOFError within a stream."""
        if self._unpacker is None or self._unpacker.needs_input:
            self._given = self._given or self._packed.read(BLOCK)
        elif not self._given:
            return True
        if not self._given and self._unpacker is not None:
            raise EOFError("it ends within a stream")
        return bool(self._given)

    def _unpack(self, most: int) -> bytes:
        if self._unpacker is None:
            self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        block = self._unpacker.decompress(self._given, most)
        self._given = b""
        if self._unpacker.eof:
            # Between streams there may be padding of zeros (The .xz File Format, 2.2).
            self._given = self._unpacker.unused_data.lstrip(b"\0")
            self._unpacker = None
        return block
