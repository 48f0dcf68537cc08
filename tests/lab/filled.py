"""Filled databases for tests and benchmarks: made once on a machine, copied for each use.

What is kept is a PostgreSQL data folder that was shut down, with the logs beside it, in the user's
cache. A copy of the small ones takes a moment; a large one is better used in its place.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from labq.fill import profile as profiles
from labq.fill.fill import GENERATOR
from labq.services import schema
from labq.supervisor import postgres
from labq.supervisor.programs import cache_folder
from tests.lab import programs

FACTS = "fill.json"
DATABASE = "labq"
MOST_AGE = timedelta(days=7)
"""Lists show two weeks: older data would leave them empty."""
QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True, slots=True)
class Filled:
    """A running server with filled data. `facts` is what `labq db fill --json` said of it."""

    url: str
    blobs: Path
    facts: Mapping[str, Any]

    @property
    def state(self) -> Path:
        """Return the state folder of a labq that is to find the logs."""
        return self.blobs.parent


@contextmanager
def filled(
    profile: str,
    seed: int = 1,
    *,
    folder: Path,
    in_place: bool = False,
    settings: Mapping[str, str] = QUICK,
) -> Iterator[Filled]:
    """Give a server with the data of a profile, made now if nobody on this machine had it yet.

    It is a copy in `folder`, that may be spoilt, before a PostgreSQL with these settings. With
    `in_place` it is what is kept, for one at a time, without a copy and without them: who uses it
    so leaves the rows as they were.
    """
    with _kept(profile, seed) as entry:
        if in_place:
            with _serving(entry, {}) as found:
                yield found
            return
        copy = folder / "filled"
        _copy(entry, copy)
    with _serving(copy, settings) as found:
        yield found


def is_kept(profile: str, seed: int = 1) -> bool:
    """Tell whether the data is at hand, so that `filled` takes seconds."""
    return _newest(_name(profile, seed)) is not None


def _migrations() -> dict[str, str]:
    """Return what names the content of each migration."""
    folder = Path(str(schema.configuration().get_main_option("script_location"))) / "versions"
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.py")
    }


@contextmanager
def _kept(profile: str, seed: int) -> Iterator[Path]:
    """Give the folder of the data that is kept, held against others until the block is left."""
    name = _name(profile, seed)
    place = _place()
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entry = _newest(name)
        if entry is None:
            entry = _make(name, profile, seed)
        else:
            _bring_up_to_date(entry)
        yield entry


def _place() -> Path:
    return cache_folder() / "filled"


def _name(profile: str, seed: int) -> str:
    """Return what names the data whatever its day and its schema."""
    found = hashlib.sha256(f"{GENERATOR}{profiles.read(profile).model_dump_json()}".encode())
    return f"{Path(profile).stem}-{seed}-{found.hexdigest()[:12]}"


def _newest(name: str) -> Path | None:
    now = datetime.now(UTC)
    for entry in sorted(_place().glob(f"{name}@*"), reverse=True):
        until = datetime.strptime(entry.name.rpartition("@")[2], "%Y%m%d").replace(tzinfo=UTC)
        if now - until <= MOST_AGE and _made_by(entry).items() <= _migrations().items():
            return entry
    return None


def _made_by(entry: Path) -> Mapping[str, str]:
    """Return the migrations that made the schema of what is kept, as `_migrations` does."""
    facts = json.loads((entry / FACTS).read_text())
    made: dict[str, str] = facts["migrations"]
    return made


def _bring_up_to_date(entry: Path) -> None:
    """Migrate what is kept when there are more migrations than made it."""
    if _made_by(entry) == _migrations():
        return
    with _serving(entry, {}) as found:
        schema.upgrade(found.url)
    facts = {**found.facts, "migrations": _migrations()}
    (entry / FACTS).write_text(json.dumps(facts))


def _make(name: str, profile: str, seed: int) -> Path:
    """Fill a database in a new folder, and keep that one alone of its profile and seed."""
    until = datetime.now(UTC)
    fresh = _place() / f"{name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    server = postgres.prepare(fresh / "postgres")
    with programs.running(server.argv, server.folder, server.is_ready):
        server.create(DATABASE)
        facts = fill(server.url(DATABASE), fresh, profile, seed, until)
    (fresh / FACTS).write_text(json.dumps({**facts, "migrations": _migrations()}))
    (fresh / FACTS).chmod(0o600)
    for old in _place().glob(f"{Path(profile).stem}-{seed}-*@*"):
        shutil.rmtree(old, ignore_errors=True)
    entry = _place() / f"{name}@{until:%Y%m%d}"
    fresh.rename(entry)
    return entry


def fill(url: str, state: Path, profile: str, seed: int, until: datetime) -> Mapping[str, Any]:
    """Fill the database at `url` as `labq db fill` does; return what that says of it."""
    done = subprocess.run(
        (
            str(Path(sys.executable).with_name("labq")),
            *("db", "fill", "--json", "--profile", profile, "--seed", str(seed)),
            *("--until", f"{until:%Y-%m-%d}"),
        ),
        env={**os.environ, "LABQ_DATABASE_URL": url, "LABQ_STATE": str(state)},
        stdout=subprocess.PIPE,
        check=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _copy(entry: Path, target: Path) -> None:
    """Copy the data, by reference where the file system can; packed logs become hard links."""
    target.mkdir(parents=True)
    command = ("cp", "--archive", "--reflink=auto")
    subprocess.run((*command, entry / "postgres", target / "postgres"), check=True)
    shutil.copytree(entry / "blobs", target / "blobs", copy_function=_link)
    shutil.copy2(entry / FACTS, target / FACTS)


def _link(source: str, target: str) -> None:
    """Link what is never changed, copy logs that may still grow and what lies on another disk."""
    if source.endswith(".zst") and Path(source).stat().st_dev == Path(target).parent.stat().st_dev:
        os.link(source, target)
    else:
        shutil.copy2(source, target)


@contextmanager
def _serving(folder: Path, settings: Mapping[str, str]) -> Iterator[Filled]:
    server = postgres.prepare(folder / "postgres", settings)
    with programs.running(server.argv, server.folder, server.is_ready):
        facts = json.loads((folder / FACTS).read_text())
        yield Filled(server.url(DATABASE), folder / "blobs", facts)
