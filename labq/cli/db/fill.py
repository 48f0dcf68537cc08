"""`labq db fill`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from labq import config
from labq.cli.database import reached_alone
from labq.cli.failures import Misused
from labq.cli.output import Column, json_option, note, show_fields, show_json, show_rows, wants_json
from labq.fill import fill, profile, templates
from labq.fill.fill import Filled, Wishes
from labq.fill.load import Place
from labq.services import schema

FACTS = "fill.json"
_SHOWN = (
    "jobs",
    "runs",
    "suites",
    "cases",
    "waiting",
    "running",
    "until",
    "first_job",
    "last_job",
    "long_log_job",
)


@click.command()
@click.option(
    "--profile", "name", metavar="NAME|FILE", help="A profile of labq's, or a YAML or TOML file."
)
@click.option("--jobs", type=int, help="Instead of the profile's.")
@click.option("--cases", type=int, help="Instead of the profile's.")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed, the same data."
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="When the story ends (UTC). Default: last midnight.",
)
@click.option("--add", "adds", is_flag=True, help="Add another lab to what is there.")
@click.option(
    "--template", metavar="DATABASE", help="Fill a database to be cloned, on the same server."
)
@click.option(
    "--processes", type=click.IntRange(min=1), help="Default: as many as there are cores."
)
@click.option("--abandon", is_flag=True, help="Take back a fill that was interrupted.")
@click.option("--list-profiles", is_flag=True, help="Say which profiles come with labq.")
@click.option("--show-profile", is_flag=True, help="Show the profile with all its values.")
@json_option
def command(
    *,
    name: str | None,
    until: datetime | None,
    template: str | None,
    abandon: bool,
    list_profiles: bool,
    **chosen: Any,
) -> None:
    """Fill an empty database with the life of a lab that never was.

    For benchmarks, tests and trials: jobs with definitions, runs, results and logs, waiting and
    running ones too, by devices, hosts, users and groups in the ratio of real labs. Two of its users
    can log in; their tokens are shown this once. It takes some minutes for each million jobs. When it
    is interrupted, labq does not start on the database until it was filled again or --abandon was
    called. Nothing else may use the database meanwhile.
    """
    if list_profiles:
        rows = [{"name": each, **profile.read(each).model_dump()} for each in profile.names()]
        show_rows(rows, [Column(key, key) for key in ("name", "jobs", "cases", "days", "devices")])
    elif abandon:
        _abandon()
    elif name is None:
        raise Misused("--profile is missing (`labq db fill --list-profiles` shows what there is)")
    else:
        _fill(name, until, template, chosen)


def _fill(
    name: str, until: datetime | None, template: str | None, chosen: Mapping[str, Any]
) -> None:
    changes = {key: chosen[key] for key in ("jobs", "cases") if chosen[key] is not None}
    found = profile.read(name, changes)
    if chosen["show_profile"]:
        show_fields(found.model_dump(), list(profile.Profile.model_fields))
        return
    wishes = Wishes(
        profile=found,
        seed=chosen["seed"],
        until=(
            until or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        ).replace(tzinfo=UTC),
        adds=chosen["adds"],
        processes=chosen["processes"] or 0,
    )
    with reached_alone() as url:
        _show(_template(url, template, wishes) if template else _into(url, wishes))


def _into(url: str, wishes: Wishes) -> Mapping[str, Any]:
    fill.prepare(url)
    place = Place(url, config.load().blobs)
    return _facts(fill.fill(place, wishes, note))


def _template(url: str, name: str, wishes: Wishes) -> Mapping[str, Any]:
    """Fill a template, or say again what is known of it."""
    if wishes.adds:
        raise Misused("--add and --template do not go together")
    folder = template_folder(name)
    wanted = templates.key(wishes, schema.known())
    if templates.begin(url, name, wanted):
        note(f"the template {name} is there already")
        facts: Mapping[str, Any] = json.loads((folder / FACTS).read_text())
        return facts
    own = templates.url_of(url, name)
    fill.prepare(own)
    facts = _facts(fill.fill(Place(own, folder / "blobs"), wishes, note))
    keep_facts(folder, facts)
    templates.end(url, name, wanted)
    return facts


def template_folder(name: str) -> Path:
    """Return where what belongs to a template is kept beside its database."""
    return config.load().state / "templates" / name


def keep_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write what is known of filled data, for nobody else to read: tokens are in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FACTS
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(facts, file)


def _abandon() -> None:
    with reached_alone() as url:
        is_done = fill.abandon(Place(url, config.load().blobs), note)
    if wants_json():
        show_json({"abandoned": is_done})
    else:
        click.echo("the fill was taken back" if is_done else "no fill was interrupted")


def _facts(filled: Filled) -> Mapping[str, Any]:
    return {**asdict(filled), "until": filled.until.isoformat()}


def _show(facts: Mapping[str, Any]) -> None:
    show_fields(facts, _SHOWN)
    if not wants_json():
        for user, token in facts["tokens"].items():
            click.echo(f"token of {user}: {token}")
