"""`labq device check`: check dictionaries without a server."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from labq.cli.device import file as device_file
from labq.cli.failures import Failed
from labq.cli.output import json_option, show_json, wants_json
from labq.domain.errors import Problem
from labq.jobdef.device import check_device

EPILOG = """\b
Examples:
  labq device check devices/*.jinja2
  LABQ_DEVICE_TYPES_PATH=my-types labq device check --json board-1.jinja2"""


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@json_option
def command(files: tuple[Path, ...]) -> None:
    """Check device dictionaries, one answer a file; exit 1 when one is invalid.

    A file is a Jinja2 template as for `labq device add`, or a dictionary that is rendered already.
    """
    results = [_show(file, _check(file)) for file in files]
    sys.exit(not all(results))


def _check(file: Path) -> list[Problem]:
    try:
        text = device_file.read(file)
    except Failed as error:
        return [Problem("", error.message)]
    kind = device_file.find_type(text) or "unknown"
    folders = device_file.template_folders()
    return check_device(text, name=file.stem, device_type=kind, search_path=folders)


def _show(file: Path, problems: list[Problem]) -> bool:
    if wants_json():
        errors = [asdict(problem) for problem in problems]
        show_json({"file": str(file), "valid": not problems, "errors": errors})
    else:
        click.echo(f"{file}: {'invalid' if problems else 'valid'}")
        for problem in problems:
            click.echo(f"  {problem.describe()}")
    return not problems
