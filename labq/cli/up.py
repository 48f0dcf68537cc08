"""`labq up`: all parts of labq on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import click

from labq.cli import choice
from labq.domain.presets import Preset
from labq.supervisor.up import MOST_COPIES, Options, run


def _set_preset(_context: click.Context, _option: click.Parameter, preset: str | None) -> None:
    """Say it to the host by its environment, as a user could."""
    if preset:
        os.environ["LABQ_PRESET"] = preset


def _set_hosts_address(
    _context: click.Context, _option: click.Parameter, address: str | None
) -> None:
    if address:
        os.environ["LABQ_HOSTS_ADDRESS"] = address


@click.command()
@click.option("--state", type=click.Path(path_type=Path), help="Folder of all data.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web server, 0: any.")
@click.option(
    "--devices",
    default="",
    metavar="KIND=N,...",
    help="Virtual devices to have: uml, shell, qemu, uboot, fastboot.",
)
@click.option(
    "--conductors",
    type=click.IntRange(1, MOST_COPIES),
    default=1,
    show_default=True,
    help="How many conductors; one leads, the others take over when it dies.",
)
@click.option(
    "--webs",
    type=click.IntRange(1, MOST_COPIES),
    default=1,
    show_default=True,
    help="How many web processes share the port.",
)
@click.option(
    "--preset",
    type=choice.of(Preset),
    expose_value=False,
    callback=_set_preset,
    help="What this machine is for, if the server has nothing else set for the host.",
)
@click.option(
    "--hosts-address",
    metavar="ADDR[:PORT]",
    expose_value=False,
    callback=_set_hosts_address,
    help="Let hosts elsewhere in: Redis has TLS there, port 6380 if none is named.",
)
@click.option(
    "--ready-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Gets JSON {url, user, token, pid} once everything answers.",
)
def command(
    *,
    state: Path | None,
    port: int | None,
    devices: str,
    conductors: int,
    webs: int,
    ready_file: Path | None,
) -> None:
    """Run everything here: servers, web, conductor, workers, one host with virtual devices.

    One Ctrl-C stops all of it; a second one does not wait. All data is there the next time.
    """
    options = Options(
        state=state,
        port=port,
        devices=devices,
        ready_file=ready_file,
        conductors=conductors,
        webs=webs,
    )
    run(options, lambda line: click.echo(f"labq: {line}", err=True))
