"""`labq job show`: one job with its steps, timings and results."""

from __future__ import annotations

import click

from labq.cli.api import Row, connect
from labq.cli.output import Column, duration, json_option, show_fields, show_rows, table, wants_json

FIELDS = (
    "id",
    "name",
    "state",
    "outcome",
    "error",
    "submitter",
    "device_type",
    "device",
    "host",
    "tags",
    "priority",
    "submitted_at",
    "started_at",
    "ended_at",
    "queue_wait",
    "slot_wait",
    "duration",
    "resubmit_of",
    "is_health_check",
    "waits_for",
)
RUN_COLUMNS = (
    Column("RUN", "number"),
    Column("DEVICE", "device"),
    Column("HOST", "host"),
    Column("STATE", "state"),
    Column("ERROR", "error", lambda error: error["message"] if isinstance(error, dict) else ""),
)
MEMBER_COLUMNS = (
    Column("MEMBER", "id"),
    Column("JOB", "job"),
    Column("ROLE", "role"),
    Column("STATE", "state"),
    Column("OUTCOME", "outcome"),
    Column("DEVICE", "device"),
)
STEP_COLUMNS = (
    Column("STEP", "name"),
    Column("STATE", "state"),
    Column("SLOT WAIT", "slot_wait_seconds", duration),
    Column("DURATION", "duration_seconds", duration),
    Column("TRIES", "begins"),
    Column("ERROR", "error", lambda error: error["message"] if isinstance(error, dict) else ""),
)
SUITE_COLUMNS = (
    Column("SUITE", "name"),
    Column("PASS", "passed"),
    Column("FAIL", "failed"),
    Column("SKIP", "skipped"),
    Column("UNKNOWN", "unknown"),
)
CASE_COLUMNS = (
    Column("RESULT", "result"),
    Column("SUITE", "suite"),
    Column("SET", "set"),
    Column("CASE", "name"),
    Column("MEASUREMENT", "measurement"),
    Column("UNITS", "units"),
)
FORMATS = ("json", "yaml", "csv", "junit")


@click.command()
@click.argument("job", type=int)
@click.option("--results", is_flag=True, help="List every test case.")
@click.option("--results-as", type=click.Choice(FORMATS), help="Print the results in this form.")
@click.option("--definition", is_flag=True, help="Print the definition as submitted.")
@click.option("--plan", is_flag=True, help="Print the plan of the latest run.")
@click.option("--dictionary", is_flag=True, help="Print the rendered dictionary of the device.")
@json_option
def command(job: int, results_as: str | None, **wanted: bool) -> None:
    """Show a job: state, error, steps with waits and durations, results."""
    path = f"/jobs/{job}"
    with connect() as api:
        if results_as:
            click.echo(api.text(f"{path}/results", format=results_as), nl=False)
        elif wanted["results"]:
            show_rows(api.get(f"{path}/results")["items"], CASE_COLUMNS)
        elif wanted["definition"]:
            click.echo(api.text(f"{path}/definition"))
        elif wanted["plan"]:
            click.echo(api.text(f"{path}/plan"))
        elif wanted["dictionary"]:
            click.echo(api.text(f"{path}/device"))
        else:
            show_job(api.get(path), api.server.url)


def show_job(job: Row, url: str) -> None:
    """Print a job, its latest run's steps and the number of its results."""
    shown = {
        **job,
        "error": _error(job["error"]),
        "queue_wait": duration(job["queue_wait_seconds"]),
        "slot_wait": _slot_wait(job.get("slot_wait")),
        "duration": duration(job["duration_seconds"]),
    }
    show_fields(job if wants_json() else shown, FIELDS)
    if wants_json():
        return
    if job.get("group"):
        click.echo(f"\n{table(job['group']['members'], MEMBER_COLUMNS)}")
    if len(job["runs"]) > 1:
        click.echo(f"\n{table(job['runs'], RUN_COLUMNS)}")
    for run in job["runs"]:
        if len(job["runs"]) > 1:
            click.echo(f"\nRun {run['number']} on {run['device']}:")
        click.echo(f"\n{table(run['steps'], STEP_COLUMNS)}")
        for step in run["steps"]:
            if step.get("suspect"):
                click.echo(f"{step['name']}: perhaps not the board's fault, {step['suspect']}")
    if job["suites"]:
        click.echo(f"\n{table(job['suites'], SUITE_COLUMNS)}")
    click.echo(f"\n{url}/jobs/{job['id']}")


def _error(error: Row | None) -> str | None:
    return f"{error['type']}: {error['message']}" if error else None


def _slot_wait(wait: Row | None) -> str | None:
    if not wait:
        return None
    waited = duration(wait["waited_seconds"])
    return f"{waited} for a {wait['queue']} slot, {wait['ahead']} ahead: {wait['reason']}"
