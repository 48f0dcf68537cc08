"""The mark of a database that is being filled by `labq db fill`, or whose fill was interrupted."""

from __future__ import annotations

from sqlalchemy import Connection, text

from labq.domain.errors import ConfigurationError

SCHEMA = "labq_fill"
"""A schema of its own that is there from the first change of a fill to its last."""


def is_marked(connection: Connection) -> bool:
    """Tell whether a fill of this database has begun and not come to its end."""
    return connection.scalar(text(f"SELECT to_regnamespace('{SCHEMA}') IS NOT NULL")) is True


def refuse_half_filled(connection: Connection) -> None:
    """Raise ConfigurationError when this database is being filled, or only half of it was."""
    if is_marked(connection):
        raise ConfigurationError(
            "this database is being filled by `labq db fill`, or was when that was interrupted: rows, "
            "constraints and indexes are missing. Run `labq db fill` again, or take it back with "
            "`labq db fill --abandon`"
        )
