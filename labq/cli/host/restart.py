"""`labq host restart`: parts of this machine's host with the code that is installed now."""

from __future__ import annotations

import time
from pathlib import Path

import click

from labq.benchlink import steward
from labq.benchlink.steward import HostStatus, PartStatus
from labq.cli import failures
from labq.cli.host.here import folder_of, host_options
from labq.cli.output import json_option, note, show_json, wants_json
from labq.domain.deadline import Deadline

WORKERS = ("steps", "tests", "collect")
NAMES = {"workers": WORKERS, "bench": ("bench",), "all": (*WORKERS, "bench")}
SECONDS = 30.0
POLL_SECONDS = 0.1


@click.command()
@click.argument("what", type=click.Choice(list(NAMES)))
@host_options
@json_option
def command(what: str, name: str | None, state: Path | None) -> None:
    """Start parts of this machine's host again, with the code that is installed now.

    Runs go on: a worker finishes the steps that it has beside the new one, the bench takes its runs
    over from the one before. Consoles and emulators are not touched.
    """
    folder = folder_of(name, state)
    with failures.translated():
        before = steward.status(folder)
        reason = "asked for by labq host restart"
        steward.restart(folder, NAMES[what], reason, gently=True, fresh=True)
        after = _wait(folder, before, NAMES[what])
    if wants_json():
        show_json({"parts": {part.name: part.pid for part in after.parts}})
    else:
        for part in (part for part in after.parts if part.name in NAMES[what]):
            note(f"{part.name} is process {part.pid} now")
        if after.leaving:
            note(f"{len(after.leaving)} of the old workers finish the steps that they have")


def _wait(folder: Path, before: HostStatus, names: tuple[str, ...]) -> HostStatus:
    old = {part.name: part.pid for part in before.parts}
    deadline = Deadline.after(SECONDS)
    while True:
        now = steward.status(folder)
        waiting = [part.name for part in now.parts if part.name in names and not _is_new(part, old)]
        if not waiting:
            return now
        if deadline.is_over():
            raise failures.Failed(f"not started again after {SECONDS:g} s: {', '.join(waiting)}")
        time.sleep(POLL_SECONDS)


def _is_new(part: PartStatus, old: dict[str, int | None]) -> bool:
    return part.pid is not None and part.pid != old[part.name]
