"""`labq host sweep`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from typing_extensions import override

from labq.cli import demo_job
from labq.cli.api import Api, Row, connect
from labq.cli.demo_job import BOARDS
from labq.cli.failures import Misused
from labq.cli.output import (
    Column,
    Progress,
    duration,
    json_option,
    note,
    show_json,
    table,
    wants_json,
)
from labq.cli.sweep.arms import Arm, Measured, propose
from labq.cli.sweep.driver import Sweep
from labq.cli.sweep.plot import draw
from labq.supervisor.programs import cache_folder

FIT = ("good", "unknown")
COLUMNS = (
    Column("BOOTS", "boots", lambda value: "adaptive" if value is None else str(value)),
    Column("TESTS", "tests"),
    Column("JOBS", "jobs"),
    Column("FAILED", "failed"),
    Column("FAILED %", "failed_percent"),
    Column("SUSPECT", "suspect"),
    Column("WALL", "seconds", duration),
    Column("BOOT", "boot_seconds", duration),
    Column("TEST", "test_seconds", duration),
)
EPILOG = """\b
Examples:
  labq host sweep lab-1 --definition boot.yaml --boots 1,2,4,8 --jobs 40
  labq host sweep local --device-type uml --tests 8,16 --plot sweep.svg --apply"""


class Numbers(click.ParamType[tuple[int, ...]]):
    """Turns `1,2,4` into numbers from 1."""

    name = "numbers"

    @override
    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        words = str(value).split(",")
        if not all(word.isdecimal() and int(word) > 0 for word in words):
            self.fail(f"{value!r} is not a list of numbers like 1,2,4", param, ctx)
        return tuple(int(word) for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    boots: Sequence[int]
    tests: Sequence[int] | None
    jobs: int
    seconds: float
    plot: Path | None
    applies: bool


@click.command(epilog=EPILOG)
@click.argument("name")
@click.option(
    "--definition",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The job to run over and over; its device type says on which devices.",
)
@click.option("--device-type", help="Without a definition: a virtual type that labq can boot.")
@click.option("--boots", type=Numbers(), default="1,2,4,8", show_default=True, help="At once.")
@click.option("--tests", type=Numbers(), help="Jobs at once; default: as many as devices.")
@click.option("--jobs", type=click.IntRange(1), default=20, show_default=True, help="In each arm.")
@click.option("--seconds", type=click.FloatRange(1), default=3600.0, help="The most for an arm.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Write an SVG file.")
@click.option("--apply", "applies", is_flag=True, help="Make the proposal the host's ceiling.")
@json_option
def command(name: str, *, file: Path | None, device_type: str | None, **given: Any) -> None:
    """Measure how many boots and tests at once the host NAME stands, and propose its limit (admins).

    Runs a job on all its devices with fixed boot slots, arm after arm, and once with the slots that
    adapt: the fewer other jobs run there meanwhile, the better. Set back what was set before.
    """
    with connect() as api:
        definition = _definition(file, device_type, name)
        _run(api, name, definition, _Options(**given))


def _run(api: Api, host: str, definition: str, options: _Options) -> None:
    kind = str(yaml.safe_load(definition)["device_type"])
    devices = _count_devices(api, host, kind)
    arms = [
        Arm(boots=number, tests=many)
        for many in options.tests or (devices,)
        for number in (*options.boots, None)
    ]
    progress = Progress()
    sweep = Sweep(
        api=api,
        host=host,
        definition=definition,
        jobs=options.jobs,
        seconds=options.seconds,
        say=progress.show,
    )
    measured = list(sweep.run(arms))
    progress.clear()
    if options.plot:
        most = max(arm.tests for arm in measured)
        shown = [arm for arm in measured if arm.tests == most]
        title = f"{host}: {options.jobs} jobs an arm, {most} at once"
        options.plot.write_text(draw(title, shown))
    _tell(api, host, measured, applies=options.applies)


def _tell(api: Api, host: str, measured: Sequence[Measured], *, applies: bool) -> None:
    proposal = propose(measured)
    if proposal and applies:
        api.patch(f"/hosts/{host}", {"ceilings": {"boot": proposal.boots}})
    rows: list[Row] = [{**asdict(arm), "failed_percent": arm.failed_percent} for arm in measured]
    if wants_json():
        boots = proposal.boots if proposal else None
        show_json({"arms": rows, "proposal": {"boot": boots}, "applied": applies})
        return
    click.echo(table(rows, COLUMNS))
    if proposal:
        command = f"labq host set {host} --ceiling boot={proposal.boots}"
        click.echo(f"\nproposal: at most {proposal.boots} boots at once on this host")
        note("applied" if applies else f"apply it with `{command}`, or with --apply")


def _definition(file: Path | None, device_type: str | None, host: str) -> str:
    """Return the job's text, bound to the host."""
    if file:
        text = file.read_text()
    else:
        board = next((board for board in BOARDS if board.device_type == device_type), None)
        if board is None:
            known = " or ".join(board.device_type for board in BOARDS)
            raise Misused(f"name a job by --definition, or {known} by --device-type")
        text = demo_job.definition(board, cache_folder() / "images")
    job = yaml.safe_load(text)
    if not isinstance(job, dict) or "device_type" not in job:
        raise Misused(f"{file} is no job definition with a device_type")
    return yaml.safe_dump({**job, "worker": host}, sort_keys=False)


def _count_devices(api: Api, host: str, device_type: str) -> int:
    found = [
        device
        for device in api.pages("/devices", host=host, device_type=device_type)
        if device["health"] in FIT
    ]
    if not found:
        raise Misused(f"host {host} has no device of type {device_type} that is good or unknown")
    return len(found)
