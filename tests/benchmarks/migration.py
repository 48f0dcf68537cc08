"""A column, its back-fill and an index on a big table, while the lab works; the database dies meanwhile.

`python -m tests.benchmarks.migration --cases 100000 --outage 20` is a short form; `make bench` takes the
sizes of the constants, or LABQ_MIGRATION_CASES and LABQ_MIGRATION_OUTAGE.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from labq.migration.backfills import Batches
from tests.benchmarks.figures import Figure, percentile, say
from tests.benchmarks.migration_load import Asked, Load
from tests.lab.production import DATABASE, Production
from tests.lab.waiting import until
from tests.migration import revisions

CASES = int(os.environ.get("LABQ_MIGRATION_CASES", "20000000"))
CASES_OF_A_JOB = 20
OUTAGE_SECONDS = float(os.environ.get("LABQ_MIGRATION_OUTAGE", "300"))
DEVICES = 50
JOBS_PER_SECOND = 5.0
CASES_PER_SECOND = 1_000
QUIET_SECONDS = 10.0
"""How long the load runs before the upgrade begins, and after it has ended."""
LONGEST_SECONDS = 4 * 3600.0
PROFILES = (("million", 100_000), ("medium", 5_000), ("small", 0))
"""Those of `labq db fill`, with the fewest jobs for which their lab makes sense."""
ROOT = Path(__file__).parents[2]
WEIGH = Batches(
    name="weigh",
    table="test_case",
    statement="UPDATE test_case SET weight = length(name) WHERE id > :after AND id <= :upto",
)
COLUMN = 'steps.add_column("test_case", sa.Column("weight", sa.Integer()))'
INDEX = 'steps.create_index("ix_test_case_weight", "test_case", "weight")'
KNOWS = "from labq.migration import backfills; from labq.migration.backfills import Batches;"
CORE = f"{KNOWS} backfills.BACKFILLS = ({WEIGH!r},);"
CORE += "from labq.tasks.core_worker import main; raise SystemExit(main())"
UPGRADE = f"import sys; from pathlib import Path; {KNOWS} from tests.migration import revisions;"
UPGRADE += f"revisions.upgrade(sys.argv[1], Path(sys.argv[2]), {WEIGH!r})"


def measure(folder: Path) -> Iterator[Figure]:
    """Measure at full size."""
    return measure_at(folder, cases=CASES, outage_seconds=OUTAGE_SECONDS, rate=JOBS_PER_SECOND)


def measure_at(folder: Path, *, cases: int, outage_seconds: float, rate: float) -> Iterator[Figure]:
    """Fill a database, put the lab to work, upgrade; the database is gone for a while."""
    with _lab(folder, cases) as lab:
        load = Load(lab, jobs_per_second=rate, cases=round(CASES_PER_SECOND / JOBS_PER_SECOND))
        with load.running():
            time.sleep(QUIET_SECONDS)
            began = time.monotonic()
            _begin(lab)
            outage = _interrupt(lab, outage_seconds)
            _wait_for_end(lab)
            seconds = time.monotonic() - began
            time.sleep(QUIET_SECONDS)
        say(f"{len(load.submitted)} jobs, {len(load.asked)} requests")
        lost = _lost(lab, load.submitted)
        missing = _missing(lab)
    yield Figure("migration.seconds", round(seconds, 1), f"s, {cases} cases", "no goal")
    yield from _figures(load.asked, outage)
    yield Figure("migration.lost_jobs", lost, f"of {len(load.submitted)}", "0")
    yield Figure("migration.rows_missed", missing, "rows", "0")


@contextmanager
def _lab(folder: Path, cases: int) -> Iterator[Production]:
    """Run a server with a filled database, a host, and a core worker that knows the back-fill."""
    lab = Production(folder, {"LABQ_LOG_LEVEL": "WARNING"})
    try:
        lab.start_servers()
        lab.postgres.create(DATABASE)
        _fill(lab, cases)
        lab.prepare(f"shell={DEVICES}")
        for part in ("web", "stream", "conductor"):
            lab.start(part)
        lab.spawn("core", sys.executable, "-c", CORE)
        lab.start_host()
        until(lambda: _is_ready(lab), "the host is there", 120)
        yield lab
    finally:
        lab.close()


def _is_ready(lab: Production) -> bool:
    try:
        parts = {part["name"]: part["is_well"] for part in lab.health()["parts"]}
    except OSError:
        return False
    return bool(parts.get("conductor") and parts.get("host rack"))


def _fill(lab: Production, cases: int) -> None:
    say(f"fills the database with {cases} cases")
    jobs = max(100, cases // CASES_OF_A_JOB)
    profile = next(name for name, fewest in PROFILES if jobs >= fewest)
    sizes = ("--profile", profile, "--jobs", str(jobs), "--cases", str(cases))
    done = lab.cli("db", "fill", *sizes, seconds=LONGEST_SECONDS)
    assert done.returncode == 0, done.stderr


def _begin(lab: Production) -> None:
    """Start the upgrade."""
    folder = lab.folder / "revisions"
    folder.mkdir()
    revisions.write(folder, "9001", COLUMN)
    begin = 'steps.backfill("weigh")'
    revisions.write(folder, "9002", begin, before="9001", phase="migrate")
    revisions.write(folder, "9003", INDEX, before="9002", requires=("weigh",))
    arguments = (lab.postgres.url(DATABASE), str(folder))
    lab.spawn("upgrade", sys.executable, "-c", UPGRADE, *arguments, cwd=ROOT)


def _interrupt(lab: Production, seconds: float) -> tuple[float, float, float]:
    """Kill the database in the middle of the back-fill.

    Returns when it went, when it was started, and when it had recovered: what it wrote last is
    much, and is read once more.
    """
    half = "SELECT count(*) FROM backfill WHERE done * 2 >= total"
    until(lambda: _exists(lab, "backfill") and lab.ask(half), "half of it", LONGEST_SECONDS, 0.5)
    say(f"half of the rows are filled in: the database is gone for {seconds:g} s")
    gone = time.monotonic()
    lab.kill("postgres")
    time.sleep(max(0.0, gone + seconds - time.monotonic()))
    started = time.monotonic()
    lab.start_postgres()
    return gone, started, time.monotonic()


def _exists(lab: Production, table: str) -> bool:
    return bool(lab.ask(f"SELECT to_regclass('{table}') IS NOT NULL"))


def _wait_for_end(lab: Production) -> None:
    process = lab.processes["upgrade"]
    until(lambda: process.poll() is not None, "the upgrade ends", LONGEST_SECONDS, 0.5)
    assert process.returncode == 0, lab.log("upgrade").read_text()[-3000:]


def _lost(lab: Production, submitted: Sequence[int]) -> int:
    """Return how many accepted jobs did not run to a good end, once all had the time to."""
    wanted = f"FROM job WHERE id = ANY (ARRAY{list(submitted)}::bigint[])"
    open_jobs = f"SELECT count(*) {wanted} AND state <> 'finished'"
    until(lambda: lab.ask(open_jobs) == 0, "all jobs are over", LONGEST_SECONDS, 1.0)
    good: int = lab.ask(f"SELECT count(*) {wanted} AND outcome = 'complete'")
    return len(submitted) - good


def _missing(lab: Production) -> int:
    """Return how many rows have no value, or an index that is not used."""
    rows = "SELECT count(*) FROM test_case WHERE weight IS NULL"
    rows += " AND id <= (SELECT cursor FROM backfill WHERE name = 'weigh')"
    invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
    missing: int = lab.ask(rows) + lab.ask(invalid)
    return missing


def _figures(asked: Sequence[Asked], outage: tuple[float, float, float]) -> Iterator[Figure]:
    gone, started, back = outage
    inside = [one for one in asked if gone <= one.at < started]
    # Those under way when it went, and those before everything is connected again.
    edges = (gone - 2, back + 5)
    outside = [one for one in asked if not edges[0] <= one.at < edges[1]]
    say(f"{len(inside)} requests without a database, {len(outside)} with one")
    yield _longest("migration.longest_request", outside)
    yield Figure("migration.request_ms.p99", _ms(outside, 99), "ms", "no goal")
    failed = sum(not one.is_good for one in outside)
    yield Figure("migration.failed_requests", failed, f"of {len(outside)}", "0")
    yield _longest("migration.longest_without_database", inside)
    wrong = sum(one.status != 503 for one in inside)
    yield Figure("migration.wrong_without_database", wrong, f"of {len(inside)}", "0")


def _longest(name: str, asked: Sequence[Asked]) -> Figure:
    longest = max(asked, key=lambda one: one.seconds)
    say(f"{name}: {longest.what}")
    return Figure(f"{name}_ms", round(longest.seconds * 1000), "ms", "at most 1,000")


def _ms(asked: Sequence[Asked], share: int) -> float:
    return round(percentile([one.seconds for one in asked], share) * 1000, 1)


def main(words: Sequence[str]) -> None:
    """Measure at a size that is asked for, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.migration")
    parser.add_argument("--cases", type=int, default=CASES)
    parser.add_argument("--outage", type=float, default=OUTAGE_SECONDS, metavar="SECONDS")
    parser.add_argument("--rate", type=float, default=JOBS_PER_SECOND, help="jobs a second")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="labq-migration-") as name:
        sizes = {"cases": asked.cases, "outage_seconds": asked.outage, "rate": asked.rate}
        for figure in measure_at(Path(name), **sizes):
            print(figure.line(), flush=True)  # noqa: T201 - what was asked for


if __name__ == "__main__":
    main(sys.argv[1:])
