"""`labq db lint`."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from labq.cli.output import json_option, show_json, wants_json
from labq.migration.lint import Refusal, lint
from labq.services import schema


@click.command()
@json_option
def command() -> None:
    """Say which revision of the schema would stop a running server; exit 1 if one would.

    It needs no database: it reads the statements that each revision has for big tables. How to write
    one that passes: docs/migrations.md.
    """
    found = lint(schema.configuration())
    if wants_json():
        show_json([asdict(refusal) for refusal in found])
    else:
        for refusal in found:
            _show(refusal)
        if not found:
            click.echo("no revision stops a big table")
    sys.exit(bool(found))


def _show(refusal: Refusal) -> None:
    click.echo(f"{refusal.path}: {refusal.rule}: {refusal.reason}")
    if refusal.statement:
        click.echo(f"    {refusal.statement}")
