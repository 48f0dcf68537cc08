"""`labq host drain`: let a host's runs end, or end them at once."""

from __future__ import annotations

import time
from pathlib import Path

import click

from labq import config
from labq.benchlink import drain as bench
from labq.cli.api import Api, connect
from labq.cli.failures import Failed, translated
from labq.cli.host.here import folder_of, host_options
from labq.cli.output import json_option, note, show_json, wants_json
from labq.domain.deadline import Deadline
from labq.supervisor import joined

POLL_SECONDS = 1.0
EPILOG = """\b
Examples:
  labq host drain lab-1                    no new runs; wait for those that run
  labq host drain --now --reason "UPS"     on the host itself: end everything, power off
  labq host undrain lab-1                  work again"""


@click.command(epilog=EPILOG)
@host_options
@click.option("--now", is_flag=True, help="End its runs at once and power its devices off.")
@click.option("--reason", default="power cut or maintenance", help="Why, for logs and pages.")
@click.option("--timeout", default=3600.0, show_default=True, help="Seconds to wait at most.")
@json_option
def command(
    name: str | None, *, state: Path | None, now: bool, reason: str, timeout: float
) -> None:
    """Take the host NAME out of work: no new runs, and wait until those that run have ended (admins).

    With --now its runs end as infrastructure failures, its devices are powered off, journals are on
    disk; on the host itself this needs no server, as when a UPS signals a power cut. A host that was
    drained so works again after a reboot or `labq host undrain`.
    """
    host = joined.choose(name)
    here = folder_of(name, state) / config.load().bench_socket.name
    with translated():
        if not now:
            _wait_for_runs(host, reason, timeout)
        elif here.exists():
            _say(
                host, f"{bench.drain(here, reason, timeout)} runs were ended, their devices are off"
            )
        else:
            _drain_by_server(host, reason, timeout)


def _wait_for_runs(host: str, reason: str, timeout: float) -> None:
    deadline, before = Deadline.after(timeout), None
    with connect() as api:
        api.patch(f"/hosts/{host}", {"health": "maintenance", "reason": f"drained: {reason}"})
        while left := int(api.get(f"/hosts/{host}")["open_runs"]):
            if left != before:
                note(f"{left} runs left")
            if deadline.is_over():
                text = f"host {host}: {left} runs are not over after {timeout:g} s; it gets no new ones"
                raise Failed(text, {"open_runs": left})
            before = left
            time.sleep(min(POLL_SECONDS, deadline.remaining()))
    _say(host, "drained: no runs are left, it gets no new ones")


def _drain_by_server(host: str, reason: str, timeout: float) -> None:
    deadline = Deadline.after(timeout)
    with connect() as api:
        api.patch(f"/hosts/{host}", {"drain": reason})
        while not _is_drained(api, host):
            if deadline.is_over():
                raise Failed(f"host {host} does not say that it is drained after {timeout:g} s")
            time.sleep(min(POLL_SECONDS, deadline.remaining()))
    _say(host, "its runs were ended, their devices are off")


def _is_drained(api: Api, host: str) -> bool:
    shown = api.get(f"/hosts/{host}")
    return shown["open_runs"] == 0 and "drained" in shown["mismatch"]


def _say(host: str, text: str) -> None:
    if wants_json():
        show_json({"host": host, "drained": True, "detail": text})
    else:
        note(f"host {host}: {text}")
