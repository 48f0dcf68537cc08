"""`labq job validate`: check definitions without a server."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from labq.cli import choice
from labq.cli.failures import Misused
from labq.cli.output import json_option, show_json, wants_json
from labq.services.validation import CheckLevel, Verdict, validate

EPILOG = """\b
Examples:
  labq job validate job.yaml
  labq job validate --level strict job.yaml
  labq job validate --json jobs/*.yaml | jq -r 'select(.valid | not) | .file'"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--level",
    type=choice.of(CheckLevel),
    default=CheckLevel.SUBMIT.value,
    show_default=True,
    help="submit: what submission asks for. lax: all keys that labq knows. strict: no others.",
)
@json_option
def command(files: tuple[Path, ...], level: str) -> None:
    """Check job definitions, one answer a file; exit 1 when one is invalid.

    Every problem is listed with its path and line. No server is asked. A job that passes `submit`
    and not `lax` is accepted by a server, and fails if it comes to use what is wrong with it.
    """
    results = [_show(file, validate(_read(file), CheckLevel(level))) for file in files]
    sys.exit(not all(results))


def _read(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise Misused(f"can't read {file}: {error.strerror}") from error


def _show(file: Path, verdict: Verdict) -> bool:
    if wants_json():
        errors = [asdict(problem) for problem in verdict.problems]
        show_json({"file": str(file), "valid": verdict.is_valid, "errors": errors})
    else:
        click.echo(f"{file}: {'valid' if verdict.is_valid else 'invalid'}")
        for problem in verdict.problems:
            click.echo(f"  {problem.describe()}")
    return verdict.is_valid
