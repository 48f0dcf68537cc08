"""Options whose values are those of an enumeration."""

from __future__ import annotations

from enum import StrEnum

import click


def of(kind: type[StrEnum]) -> click.Choice[str]:
    """Return the type of an option that takes a value of `kind` as its text."""
    return click.Choice([member.value for member in kind])
