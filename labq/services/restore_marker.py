"""The mark of a database into which a restore has begun and not come to its end."""

from __future__ import annotations

from sqlalchemy import Connection, text

from labq.domain.errors import ConfigurationError

MARKER = "labq_restore"
"""A table that is there from the first change of a restore to its last."""


def find_marked(connection: Connection) -> str | None:
    """Return what is being restored into this database, None when nothing is."""
    if connection.scalar(text(f"SELECT to_regclass('{MARKER}')")) is None:
        return None
    found: str | None = connection.scalar(text(f"SELECT source FROM {MARKER}"))  # noqa: S608 - a name of our own
    return found or "a bundle"


def refuse_half_restored(connection: Connection) -> None:
    """Raise ConfigurationError when a restore into this database runs, or was interrupted."""
    source = find_marked(connection)
    if source is not None:
        raise ConfigurationError(
            f"the restore of {source} into this database has not come to its end: wait for it, or "
            "run `labq db restore` again, which begins anew"
        )
