"""The campaign's own checks notice what they are there for."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos import faults, lines, outcomes, trial
from tests.chaos.fleet import SHELL
from tests.chaos.record import Entry, Hit, Record
from tests.chaos.syncs import Notes

GAP = {"lvl": "debug", "msg": "restarted: what buffers could not hold may be missing here"}


def said(*numbers: int, session: int = 1) -> list[dict[str, str]]:
    """Return the lines of a log that a device printed."""
    return [{"lvl": "target", "msg": f"L:{session}:i0:{number};"} for number in numbers]


def test_lines_in_order_are_right() -> None:
    assert lines.read([*said(1, 2, 3), *said(1, 2, session=2)]).problems == []


@pytest.mark.parametrize("numbers", [(1, 2, 2), (1, 3, 2), (2,), (1, 3), (1, 2, 1, 2)])
def test_lines_that_are_doubled_missing_or_out_of_order_are_noticed(numbers: tuple[int]) -> None:
    assert lines.read(said(*numbers)).problems


def test_lines_may_be_missing_where_the_log_declares_it_and_nowhere_else() -> None:
    told = lines.read([*said(1, 2), GAP, *said(5, 6)])
    assert (told.problems, told.missing) == ([], 2)
    assert lines.read([*said(1, 2), GAP, *said(3), *said(5)]).problems


def a_job(**changes: object) -> dict[str, object]:
    """Return a job as the server shows it."""
    failure = {"type": "Infrastructure", "message": "the host was stopped"}
    return {"id": 1, "host": "h1", "outcome": "incomplete", "error": failure, **changes}


def judged(
    record: Record, job: dict[str, object], *, kind: str, target: str, is_endless: bool = False
) -> list[str]:
    """Return what is wrong with a job after one fault."""
    made = trial.draw(random.Random(1), "t", SHELL, is_endless=is_endless)
    entry = Entry(made, submitted=10.0, job=1, ended=20.0)
    record.hits.append(Hit(1, kind, target, target.partition("/")[0], began=15.0, ended=15.0))
    return list(outcomes.judge(job, entry, record))


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "record.jsonl")


def test_a_failure_is_right_where_a_fault_explains_it(record: Record) -> None:
    assert judged(record, a_job(), kind="term", target="h1/bench") == []


@pytest.mark.parametrize(
    ("kind", "target"), [("term", "h2/bench"), ("kill", "h1/bench"), ("cut", "h1/network")]
)
def test_a_failure_that_no_fault_explains_is_noticed(
    record: Record, kind: str, target: str
) -> None:
    assert judged(record, a_job(), kind=kind, target=target)


def test_a_failure_of_the_job_itself_is_noticed(record: Record) -> None:
    failure = {"type": "Job", "message": "the host was stopped"}
    assert judged(record, a_job(error=failure), kind="term", target="h1/bench")


def test_a_cancel_that_nobody_asked_for_is_noticed(record: Record) -> None:
    job = a_job(outcome="canceled", error=None)
    assert judged(record, job, kind="kill", target="h1/bench")
    assert not judged(record, job, kind="kill", target="h1/bench", is_endless=True)


def test_one_seed_draws_the_same_faults_again() -> None:
    assert list(faults.draw(7, 50)) == list(faults.draw(7, 50))
    assert list(faults.draw(7, 50)) != list(faults.draw(8, 50))


WRITER = """
import os, sys
from pathlib import Path
from tests.chaos.syncs import Notes
notes, root = Notes(Path(sys.argv[1])), Path(sys.argv[2])
notes.track()
def write(name, data, sync):
    with (root / name).open("ab", buffering=0) as file:
        file.write(data)
        if sync:
            os.fsync(file.fileno())
def sync_folder():
    folder = os.open(root, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
write("log", b"synced", True)
write("log", b" and not", False)
write("new", b"never synced", False)
write("state.new", b"first", True)
(root / "state.new").replace(root / "state")
sync_folder()
write("state.new", b"second", True)
(root / "state.new").replace(root / "state")
"""


def test_a_power_cut_leaves_what_was_synced_and_nothing_else(tmp_path: Path) -> None:
    root, notes = tmp_path / "root", Notes(tmp_path / "notes")
    root.mkdir()
    writer = (sys.executable, "-c", WRITER, str(notes.folder), str(root))
    subprocess.run(writer, check=True, timeout=60, cwd=Path(__file__).parents[2])
    notes.cut_power(root)
    left = {path.name: path.read_text() for path in root.iterdir()}
    assert left == {"log": "synced", "new": "", "state": "first"}
