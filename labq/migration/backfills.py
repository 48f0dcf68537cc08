"""The back-fills there are: what old rows lack that a new column or table wants."""

from __future__ import annotations

from dataclasses import dataclass

from labq.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """One back-fill. `statement` does the rows of `table` whose `key`, a number, is in a range.

    It has the parameters `:after` (not in the range) and `:upto` (in it), and does no harm to rows
    that are done already, for new ones may come with what is filled in.
    """

    name: str
    table: str
    statement: str
    key: str = "id"


BACKFILLS: tuple[Batches, ...] = ()


def find_backfill(name: str) -> Batches:
    """Return the back-fill of that name; raises ConfigurationError when this labq knows none."""
    for batches in BACKFILLS:
        if batches.name == name:
            return batches
    raise ConfigurationError(f"this labq knows no back-fill {name!r}: upgrade it on this machine")
