"""`labq host`: lab hosts."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("list", "labq.cli.host.list", "List hosts with their slots."),
    Entry("show", "labq.cli.host.show", "Show a host."),
    Entry("set", "labq.cli.host.set", "Set whether a host may be given work."),
    Entry("enroll", "labq.cli.host.enroll", "Let a machine join as a host."),
    Entry("join", "labq.cli.host.join", "Make this machine a host of a server."),
    Entry("sweep", "labq.cli.host.sweep", "Measure how much a host stands at once."),
    Entry("renew", "labq.cli.host.renew", "Give this machine's host new secrets."),
    Entry("revoke", "labq.cli.host.revoke", "Cut a host off."),
    Entry("certificate", "labq.cli.host.certificate", "Make Redis a certificate that hosts trust."),
    Entry("run", "labq.cli.host.run", "Run this machine as a host."),
    Entry("restart", "labq.cli.host.restart", "Start parts of this host again; runs go on."),
    Entry("drain", "labq.cli.host.drain", "Let a host's runs end, or end them at once."),
    Entry("undrain", "labq.cli.host.undrain", "Let a drained host work again."),
    Entry("stop", "labq.cli.host.stop", "End this machine's host and its runs."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Lab hosts: enroll them, show them, run one."""
