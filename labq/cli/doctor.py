"""`labq doctor`: what this machine lacks to be a server or a host."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click

from labq.cli.checks import inspect
from labq.cli.checks.finding import Finding, State
from labq.cli.output import json_option, show_json, wants_json

COLOURS = {State.GOOD: "green", State.WEAK: "yellow", State.MISSING: "red"}


@click.command()
@click.option("--try-kvm", is_flag=True, help="Start a machine under KVM, for 15 s at most.")
@json_option
def command(*, try_kvm: bool) -> None:
    """Say what this machine lacks: programs, groups, rights, cores, memory, disk, KVM.

    Exit 1 when something that labq cannot do without is missing.
    """
    findings = inspect(tries_kvm=try_kvm)
    if wants_json():
        show_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            _show(finding)
    sys.exit(any(finding.state is State.MISSING for finding in findings))


def _show(finding: Finding) -> None:
    state = click.style(f"{finding.state.value:<8}", fg=COLOURS[finding.state])
    click.echo(f"{state}{finding.name:<22}{finding.found}")
    if finding.advice:
        click.echo(f"{'':<30}-> {finding.advice}")
