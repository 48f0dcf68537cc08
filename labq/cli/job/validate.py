"""`labq job validate`: check definitions without a server."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from labq.cli.failures import Misused
from labq.cli.output import json_option, show_json, wants_json
from labq.domain.errors import Problem
from labq.jobdef.parse import check_submission

EPILOG = """\b
Examples:
  labq job validate job.yaml
  labq job validate --json jobs/*.yaml | jq -r 'select(.valid | not) | .file'"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--level",
    type=click.Choice(["submit", "lax", "strict"]),
    default="submit",
    show_default=True,
    help="What to check: `submit` is what submission asks for.",
)
@json_option
def command(files: tuple[Path, ...], level: str) -> None:
    """Check job definitions, one answer a file; exit 1 when one is invalid.

    Every problem is listed with its path and line. No server is asked.
    """
    if level != "submit":
        raise Misused(f"--level {level} comes with a later version; this one knows: submit")
    results = [_show(file, check_submission(_read(file))) for file in files]
    sys.exit(not all(results))


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Misused(f"can't read {file}: {error.strerror}") from error


def _show(file: Path, problems: list[Problem]) -> bool:
    if wants_json():
        errors = [asdict(problem) for problem in problems]
        show_json({"file": str(file), "valid": not problems, "errors": errors})
    else:
        click.echo(f"{file}: {'invalid' if problems else 'valid'}")
        for problem in problems:
            click.echo(f"  {problem.describe()}")
    return not problems
