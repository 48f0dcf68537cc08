"""Has the server make a lab so, and shows what changed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import asdict

import click

from labq.cli.api import Row, connect
from labq.cli.output import note, show_json, wants_json
from labq.domain.lab import Lab


def send(lab: Lab, *, dry_run: bool) -> None:
    """Send what there is to be; print the differences."""
    with connect() as api:
        changes = api.post("/lab", {"lab": asdict(lab), "dry_run": dry_run})["changes"]
    if wants_json():
        show_json({"dry_run": dry_run, "changes": changes})
        return
    for change in changes:
        for line in _lines(change):
            click.echo(line)
    note(_summary(len(changes), dry_run=dry_run))


def _lines(change: Row) -> Iterator[str]:
    title = f"{change['kind']} {change['name']}"
    before, after = str(change["before"]), str(change["after"])
    if change["field"] == "new":
        yield f"+ {title}" if "\n" in after or not after else f"+ {title}: {after}"
    elif "\n" in before + after:
        yield f"~ {title}: {change['field']}"
        difference = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "before", "after", lineterm=""
        )
        yield from (f"    {line}" for line in difference)
    else:
        yield f"~ {title}: {change['field']}: {before or '-'} -> {after or '-'}"


def _summary(count: int, *, dry_run: bool) -> str:
    if not count:
        return "the lab is so already"
    done = "would change" if dry_run else "changed"
    return f"{count} {'thing' if count == 1 else 'things'} {done}"
