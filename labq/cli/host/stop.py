"""`labq host stop`: end this machine's host."""

from __future__ import annotations

import time
from pathlib import Path

import click

from labq.benchlink import steward
from labq.benchlink.child import start_time
from labq.cli import failures
from labq.cli.host.here import folder_of, host_options
from labq.cli.output import json_option, note, show_json, wants_json
from labq.domain.deadline import Deadline

POLL_SECONDS = 0.05


@click.command()
@host_options
@click.option("--timeout", default=60.0, show_default=True, help="Seconds to wait for its end.")
@json_option
def command(name: str | None, state: Path | None, timeout: float) -> None:
    """End this machine's host: its runs end as failed, devices are powered off, no process is left.

    To let the runs end by themselves first: `labq host drain`.
    """
    folder = folder_of(name, state)
    with failures.translated():
        pid = steward.stop(folder)
    start, deadline = start_time(pid), Deadline.after(timeout)
    while start and start_time(pid) == start and not _is_zombie(pid):
        if deadline.is_over():
            raise failures.Failed(f"process {pid} has not ended after {timeout:g} s")
        time.sleep(POLL_SECONDS)
    if wants_json():
        show_json({"supervisor": pid, "stopped": True})
    else:
        note("the host is stopped")


def _is_zombie(pid: int) -> bool:
    """Tell whether a process has ended and its parent has not looked yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
