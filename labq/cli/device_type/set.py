"""`labq device-type set`."""

from __future__ import annotations

from pathlib import Path

import click

from labq.cli import choice
from labq.cli.api import Row, connect
from labq.cli.device import file as text_file
from labq.cli.device_type.show import show_type
from labq.cli.failures import Misused
from labq.cli.output import json_option
from labq.domain.health_checks import Denominator

EPILOG = """\b
Examples:
  labq device-type set board --health-check check.yaml
  labq device-type set board --every 10 --per jobs
  labq device-type set board --disable
  labq device-type set board --no-health-check"""


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option(
    "--health-check",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A job definition that proves a device (`-`: standard input).",
)
@click.option("--no-health-check", is_flag=True, help="Check its devices no more.")
@click.option(
    "--every",
    "health_frequency",
    type=click.IntRange(1),
    help="How many hours or jobs between checks.",
)
@click.option(
    "--per",
    "health_denominator",
    type=choice.of(Denominator),
    help="Whether that counts hours or jobs.",
)
@click.option(
    "--disable/--enable", "health_disabled", default=None, help="Pause the checks, or go on."
)
@click.option("--description", help="For people.")
@json_option
def command(name: str, file: Path | None, *, no_health_check: bool, **asked: object) -> None:
    """Change the device type NAME (admins); what is not named stays.

    A device of a type with a health check is proven by it before it takes jobs: when its health is
    unknown, after so many hours or jobs, and after a failure that makes it suspect.
    """
    if file is not None and no_health_check:
        raise Misused("--health-check and --no-health-check do not go together")
    body: Row = {key: value for key, value in asked.items() if value is not None}
    if no_health_check:
        body["health_check"] = ""
    if file is not None:
        body["health_check"] = text_file.read(file)
    if not body:
        raise Misused("nothing to change: see `labq device-type set --help`")
    with connect() as api:
        show_type(api.patch(f"/device-types/{name}", body), api.server.url)
