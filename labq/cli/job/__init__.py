"""`labq job`: submit, follow, show and end jobs."""

from __future__ import annotations

import click

from labq.cli.lazy import Entry, LazyGroup

COMMANDS = (
    Entry("submit", "labq.cli.job.submit", "Submit a definition; follow it to its end."),
    Entry("validate", "labq.cli.job.validate", "Check definitions without a server."),
    Entry("list", "labq.cli.job.list", "List jobs, the newest first."),
    Entry("queue", "labq.cli.job.queue", "Show what waits, in which order and for what."),
    Entry("show", "labq.cli.job.show", "Show a job: state, steps, timings, results."),
    Entry("log", "labq.cli.job.log", "Print a job's log; follow it."),
    Entry("artifacts", "labq.cli.job.artifacts", "List the files that a job left; download them."),
    Entry("deliveries", "labq.cli.job.deliveries", "List a job's callbacks and mails."),
    Entry("wait", "labq.cli.job.wait", "Wait for the end of jobs."),
    Entry("cancel", "labq.cli.job.cancel", "Cancel jobs."),
    Entry("pin", "labq.cli.job.pin", "Keep a job for ever."),
    Entry("unpin", "labq.cli.job.unpin", "Let retention have a job again."),
    Entry("resubmit", "labq.cli.job.resubmit", "Submit a job's definition again."),
    Entry("reference", "labq.cli.job.reference", "Write the reference of all actions."),
)


@click.group(cls=LazyGroup, entries=COMMANDS)
def command() -> None:
    """Submit, follow, show and end jobs."""
