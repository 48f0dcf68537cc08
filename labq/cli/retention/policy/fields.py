"""What policies are shown and changed with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from labq.cli import choice
from labq.cli.api import Row
from labq.cli.failures import Misused
from labq.cli.output import Column, show_fields, wants_json
from labq.domain.retention import Kind
from labq.domain.states import Outcome

F = TypeVar("F", bound=Callable[..., Any])
FIELDS = (
    "name",
    "position",
    "group",
    "device_type",
    "outcome",
    "days",
    "is_archived",
    "changed_by",
    "changed_at",
)


def ages(value: object) -> str:
    """Show the days of each kind."""
    if not isinstance(value, Mapping) or not value:
        return "keeps everything"
    return ", ".join(f"{kind} {days} d" for kind, days in value.items())


COLUMNS = (
    Column("POSITION", "position"),
    Column("NAME", "name"),
    Column("GROUP", "group"),
    Column("TYPE", "device_type"),
    Column("OUTCOME", "outcome"),
    Column("KEPT FOR", "days", ages),
    Column("ARCHIVED", "is_archived"),
)


def options(function: F) -> F:
    """Add the options that say what a policy is."""
    for kind in reversed(Kind):
        function = click.option(
            f"--{kind}",
            type=click.IntRange(0),
            metavar="DAYS",
            help=f"Keep {_WHAT[kind]} for DAYS after a job's end (0: for ever).",
        )(function)
    for option in _SELECTORS:
        function = option(function)
    return function


def body_of(values: Mapping[str, object]) -> Row:
    """Return what the options ask for; raises Misused for nothing."""
    days = {kind.value: values[kind] for kind in Kind if values.get(kind) is not None}
    names = ("position", "group", "device_type", "outcome", "reason")
    body: Row = {name: values[name] for name in names if values.get(name) is not None}
    if values.get("archived") is not None:
        body["is_archived"] = values["archived"]
    if values.get("any_outcome"):
        body["any_outcome"] = True
    if days:
        body["days"] = days
    if not body:
        raise Misused("nothing is asked for: see --help")
    return body


def show_policy(policy: Row) -> None:
    """Print a policy."""
    shown = {**policy, "days": ages(policy["days"])}
    show_fields(policy if wants_json() else shown, FIELDS)


_WHAT: Mapping[Kind, str] = {
    Kind.CONSOLE: "the raw bytes of consoles",
    Kind.ARTIFACTS: "other artifacts",
    Kind.LOGS: "logs",
    Kind.PLANS: "plans",
    Kind.RESULTS: "results of tests",
    Kind.JOBS: "whole jobs",
}
_SELECTORS: tuple[Callable[[Any], Any], ...] = (
    click.option("--reason", help="Why, for the audit trail."),
    click.option(
        "--archived/--not-archived",
        default=None,
        help="Write it to the archive first (as new policies do), or just remove it.",
    ),
    click.option("--outcome", type=choice.of(Outcome), help="Only jobs that ended so."),
    click.option("--device-type", help="Only jobs of this device type ('': of all)."),
    click.option("--group", help="Only jobs for members of this group ('': all jobs)."),
    click.option("--position", type=click.IntRange(0), help="Where it stands in the order."),
)
