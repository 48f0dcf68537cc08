"""`labq db clone`."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from labq import config
from labq.cli.database import reached
from labq.cli.db.fill import template_folder
from labq.cli.failures import Misused
from labq.cli.output import json_option, show_json, wants_json
from labq.fill import templates


@click.command()
@click.argument("template")
@click.argument("name", required=False)
@click.option(
    "--blobs",
    type=click.Path(path_type=Path),
    help="Where its logs go. Default: clones/NAME/blobs in the state folder.",
)
@click.option("--drop", is_flag=True, help="Drop the template instead.")
@json_option
def command(*, template: str, name: str | None, blobs: Path | None, drop: bool) -> None:
    """Make the database NAME as a copy of one that `labq db fill --template` has made.

    It is on the same server. Logs that are packed are hard links: the copy costs no room for them.
    A labq that is to use it needs its URL in LABQ_DATABASE_URL, and a state folder with the blobs.
    """
    with reached() as url:
        if drop:
            templates.drop(url, template)
            shutil.rmtree(template_folder(template), ignore_errors=True)
            return
        if name is None:
            raise Misused("NAME is missing: what is the copy to be called?")
        templates.clone(url, template, name)
        place = blobs or config.load().state / "clones" / name / "blobs"
        files = templates.link_blobs(template_folder(template) / "blobs", place)
        facts = {
            "database": name,
            "url": templates.url_of(url, name),
            "blobs": str(place),
            "files": files,
        }
    if wants_json():
        show_json(facts)
    else:
        click.echo(f"{name} is a copy of {template}: {facts['url']} (logs: {place})")
