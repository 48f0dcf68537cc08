"""`labq job artifacts`: the files that a job's runs left."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from labq.cli.api import Api, Row, connect
from labq.cli.failures import Failed
from labq.cli.output import Column, json_option, note, show_rows, wants_json
from labq.domain.artifacts import check_name
from labq.domain.errors import InvalidInputError


def _size(value: object) -> str:
    """Return bytes in the unit that fits."""
    number, units = float(str(value)), ["B", "kB", "MB", "GB"]
    while number >= 1000 and len(units) > 1:
        number, units = number / 1000, units[1:]
    return f"{number:.3g} {units[0]}"


COLUMNS = (
    Column("RUN", "run_number"),
    Column("NAME", "name"),
    Column("SIZE", "bytes", _size),
    Column("SHA-256", "sha256"),
)
EPILOG = """\b
Examples:
  labq job submit --keep-console --wait job.yaml
  labq job artifacts 12
  labq job artifacts 12 --download out"""


@click.command(epilog=EPILOG)
@click.argument("job", type=int)
@click.option(
    "--download",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the files there, as <run>/<name>; those that are there already stay.",
)
@json_option
def command(job: int, folder: Path | None) -> None:
    """List the files that JOB left beside its log and results, or download them."""
    with connect() as api:
        found = api.get(f"/jobs/{job}/artifacts")["items"]
        for item in found if folder else []:
            _download(api, item, folder or Path())
    if wants_json() or not folder:
        show_rows(found, COLUMNS)


def _download(api: Api, item: Row, folder: Path) -> None:
    """Write one file and check it; raises Failed when it is not what the server says it is."""
    name = str(item["name"])
    try:
        check_name(name)
    except InvalidInputError as error:
        raise Failed(f"the server names a file {error}") from error
    path = folder / str(int(item["run_number"])) / name
    if path.exists() and _digest(path) == item["sha256"]:
        note(f"{path} is there already")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        api.copy(str(item["url"]), file)
    if _digest(draft) != item["sha256"]:
        draft.unlink()
        raise Failed(f"{name} arrived with another SHA-256 than {item['sha256']}")
    draft.replace(path)
    note(str(path))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
