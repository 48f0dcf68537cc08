"""What commands print: JSON with `--json`, else tables and fields made for eyes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import click

from labq.cli.failures import JSON_FLAG
from labq.domain.figures import describe_seconds

MOST_WIDTH = 60
F = TypeVar("F", bound=Callable[..., Any])


class Column(NamedTuple):
    """A column of a table: its heading, the key in a row, how a value is shown."""

    title: str
    key: str
    show: Callable[[object], str] | None = None


def json_option(function: F) -> F:
    """Add `--json`; the command asks `wants_json()`."""

    def remember(context: click.Context, _parameter: click.Parameter, value: object) -> None:
        if value:
            context.find_root().meta[JSON_FLAG] = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=remember,
        is_eager=True,
        help="Print JSON.",
    )(function)


def wants_json() -> bool:
    """Return whether the command that runs was called with `--json`."""
    return bool(click.get_current_context().find_root().meta.get(JSON_FLAG))


def show_json(value: object) -> None:
    """Print a value as JSON on one line."""
    click.echo(json.dumps(value, ensure_ascii=False))


def show_rows(rows: Sequence[Mapping[str, object]], columns: Sequence[Column]) -> None:
    """Print a table, or the rows as a JSON list; says so when there is none."""
    if wants_json():
        show_json(list(rows))
    elif rows:
        click.echo(table(rows, columns))
    else:
        note("none")


def show_fields(value: Mapping[str, object], keys: Sequence[str]) -> None:
    """Print some fields of one thing below each other, or all of it as JSON."""
    if wants_json():
        show_json(value)
        return
    width = max(len(key) for key in keys)
    for key in keys:
        if value.get(key) not in (None, "", [], {}):
            label = key.replace("_", " ")
            click.echo(f"{label:<{width}}  {_cell(value[key], None)}")


def table(rows: Iterable[Mapping[str, object]], columns: Sequence[Column]) -> str:
    """Return rows as text in columns, each as wide as its widest cell up to a limit."""
    cells = [[_cell(row.get(column.key), column.show) for column in columns] for row in rows]
    grid = [[column.title for column in columns], *cells]
    widths = [min(MOST_WIDTH, max(map(len, place))) for place in zip(*grid, strict=True)]
    return "\n".join(
        "  ".join(_fit(text, width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in grid
    )


def note(message: str) -> None:
    """Tell the person something that is not the answer (standard error)."""
    click.echo(message, err=True)


def age(value: object) -> str:
    """Show an ISO time as how long ago it was."""
    if not isinstance(value, str):
        return "-"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(value)).total_seconds()
    return f"{duration(max(0.0, seconds))} ago"


def duration(value: object) -> str:
    """Show seconds as `850 ms`, `12.3 s`, `4 min 10 s`, `3 h 5 min` or `2 d 4 h`."""
    if not isinstance(value, int | float):
        return "-"
    return describe_seconds(value)


def share(value: object) -> str:
    """Show a share from 0 to 1 as `25 %`."""
    return f"{value:.0%}".replace("%", " %") if isinstance(value, int | float) else "-"


class Progress:
    """One line on standard error that is written over; silent where that is no terminal."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty() and not wants_json()
        self._length = 0

    def show(self, text: str) -> None:
        """Put `text` in place of the line shown before."""
        if self._is_shown:
            line = text[: shutil.get_terminal_size().columns - 1]
            click.echo(f"\r{line:<{self._length}}", nl=False, err=True)
            self._length = len(line)

    def clear(self) -> None:
        """Take the line away."""
        if self._is_shown and self._length:
            click.echo(f"\r{' ' * self._length}\r", nl=False, err=True)
            self._length = 0


def _cell(value: object, show: Callable[[object], str] | None) -> str:
    if show is not None:
        return show(value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return _printable(str(value))


def _fit(text: str, width: int) -> str:
    return f"{text:<{width}}" if len(text) <= width else f"{text[: width - 1]}…"


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
