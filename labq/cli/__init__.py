"""The command line: one click command a file, found through one literal tuple."""

from __future__ import annotations

import click

from labq import __version__
from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("up", "labq.cli.up", "Run all parts on this machine."),
    Entry("demo", "labq.cli.demo", "Boot a real Linux, run tests, show what came out."),
    Entry("login", "labq.cli.login", "Remember a server and a token for it."),
    Entry("job", "labq.cli.job", "Submit, follow, show, cancel jobs."),
    Entry("case", "labq.cli.case", "Search test cases of all jobs."),
    Entry("device", "labq.cli.device", "Add, show, check devices; set their health."),
    Entry("device-type", "labq.cli.device_type", "Show the kinds of devices."),
    Entry("lab", "labq.cli.lab", "Make a lab what files say; take one over from LAVA."),
    Entry("host", "labq.cli.host", "Show lab hosts, run one."),
    Entry("token", "labq.cli.token", "Create, list, revoke API tokens."),
    Entry("remote-token", "labq.cli.remote_token", "Keep secrets for other servers."),
    Entry("user", "labq.cli.user", "Create, list, change accounts."),
    Entry("group", "labq.cli.group", "Create, list, change groups of users."),
    Entry("mail", "labq.cli.mail", "See that the server can send mail."),
    Entry("ops", "labq.cli.ops", "See what the server spends its time on."),
    Entry("retention", "labq.cli.retention", "Say how long old data is kept; remove it."),
    Entry("archive", "labq.cli.archive", "Look at jobs in the archive, bring them back."),
    Entry("doctor", "labq.cli.doctor", "Say what this machine lacks."),
    Entry("db", "labq.cli.db", "Bring the database up to date, check it."),
    Entry("web", "labq.cli.web", "Run the part that answers HTTP."),
    Entry("stream", "labq.cli.stream", "Run the part for long connections."),
    Entry("conductor", "labq.cli.conductor", "Run the part that schedules."),
    Entry("core", "labq.cli.core", "Run the part that carries out notifications."),
)

EPILOG = """\b
Exit codes:
  0  good
  1  the thing asked about failed
  2  wrong usage or settings
  3  the server can't be reached
\b
The server is found by LABQ_URL and LABQ_TOKEN, else by what `labq login` saved, else it is
the one that `labq up` runs for you on this machine."""


@click.group(cls=LazyGroup, entries=COMMANDS, epilog=EPILOG)
@click.version_option(__version__, prog_name="labq")
def main() -> None:
    """Run a hardware test lab: job definitions in, real boots, results out."""
