"""`labq db status`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click
from pydantic import TypeAdapter

from labq.cli.database import opened
from labq.cli.output import json_option, show_json, wants_json
from labq.services import schema
from labq.services.backfills import Progress
from labq.services.schema import Status
from labq.services.upgrades import Announcement

_STATUS = TypeAdapter(Status)


@click.command()
@json_option
def command() -> None:
    """Say which schema there is, whether an upgrade runs, how far back-fills are."""
    with opened() as session:
        status = schema.find_status(session)
    if wants_json():
        show_json(_STATUS.dump_python(status, mode="json"))
        return
    click.echo(f"schema {status.found}, this labq knows {status.known}")
    if status.holder:
        click.echo(f"being changed by {status.holder}")
    for line in (*_upgrade(status.upgrade), *_backfills(status.backfills)):
        click.echo(line)


def _upgrade(found: Announcement | None) -> Iterator[str]:
    if found is None:
        return
    way = f"upgrade from {found.found} to {found.target}, begun {found.began_at:%Y-%m-%d %H:%M:%S}"
    if found.is_running:
        yield f"{way}, runs: {found.step or 'begins'}"
    elif found.is_interrupted:
        yield f"{way}, was interrupted: run `labq db upgrade` again"
    elif found.error:
        yield f"{way}, failed: {found.error}"
    else:
        yield f"{way}, ended {found.ended_at:%Y-%m-%d %H:%M:%S}"


def _backfills(found: tuple[Progress, ...]) -> Iterator[str]:
    for one in found:
        yield f"back-fill {one.name}: {one.percent} %, {one.done} of about {one.total} rows"
        for word, text in asdict(one).items():
            if word in ("rests", "error") and text:
                yield f"    {word}: {text}"
