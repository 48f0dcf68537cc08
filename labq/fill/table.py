"""One table as the fill sees it: its columns, and how the story is told as its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from labq.fill.book import Book

Rows = Callable[[Book, range], Iterator[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """`rows` yields lines of COPY for a range of jobs, without their line ends.

    `key` is the column by which rows of this fill are told from older ones, `base` the number of
    `Bases` that it is counted from; without a base all rows of a fill are in tables that it names.
    """

    name: str
    columns: tuple[str, ...]
    rows: Rows
    key: str
    base: str
    is_partitioned: bool = False

    def copy(self, into: str) -> str:
        """Return the statement that takes the rows, into the table or one of its partitions."""
        columns = ", ".join(f'"{name}"' for name in self.columns)
        return f'COPY "{into}" ({columns}) FROM STDIN'
