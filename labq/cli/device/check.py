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
from labq.jobdef.device import Verdict, check_device, check_dictionary, find_extended

EPILOG = """\b
Examples:
  labq device check devices/*.jinja2
  LABQ_DEVICE_TYPES_PATH=my-types labq device check --json board-1.jinja2"""

RENDERED = (".yaml", ".yml")


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@json_option
def command(files: tuple[Path, ...]) -> None:
    """Check device dictionaries, one answer a file; exit 1 when one is invalid.

    A file that ends in .yaml is a dictionary that is rendered already; others are Jinja2 templates
    as for `labq device add`. What LAVA accepts is valid; a warning tells what no job could use.
    """
    results = [_show(file, _check(file)) for file in files]
    sys.exit(not all(results))


def _check(file: Path) -> Verdict:
    try:
        text = device_file.read(file)
    except Failed as error:
        return Verdict(errors=[Problem("", error.message)])
    if file.suffix in RENDERED:
        return check_dictionary(text)
    kind = find_extended(text) or "unknown"
    return check_device(text, name=file.stem, device_type=kind, library=device_file.library())


def _show(file: Path, found: Verdict) -> bool:
    if wants_json():
        told: dict[str, object] = {"file": str(file), "valid": not found.errors}
        told["errors"] = [asdict(problem) for problem in found.errors]
        if found.warnings:
            told["warnings"] = [asdict(problem) for problem in found.warnings]
        show_json(told)
    else:
        click.echo(f"{file}: {'invalid' if found.errors else 'valid'}")
        for problem in found.errors:
            click.echo(f"  {problem.describe()}")
        for problem in found.warnings:
            click.echo(f"  warning: {problem.describe()}")
    return not found.errors
