"""Real job files from a folder outside the project: LABQ_CORPUS names it.

`corpus_submit`, `corpus_lax` and `corpus_strict` compare verdicts with those in its index.csv, in percent;
`validate_files_per_second` reads and judges each file strictly, on one core; `corpus_jobs_complete` runs some of the jobs on real kernels, with local stand-ins for their files.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator
from pathlib import Path

from labq.services.validation import CheckLevel, validate
from tests.benchmarks import standins
from tests.benchmarks.figures import Figure, say
from tests.lab.client import Client
from tests.lab.files import serve
from tests.lab.repositories import forge
from tests.lab.server import running

JOB_SECONDS = 600.0
_COLUMNS = {
    CheckLevel.SUBMIT: "submit_valid",
    CheckLevel.LAX: "valid",
    CheckLevel.STRICT: "valid_strict",
}


def is_given() -> bool:
    """Tell whether there is a corpus to read."""
    return bool(os.environ.get("LABQ_CORPUS"))


def _folder() -> Path:
    assert is_given(), "LABQ_CORPUS must name the folder of the corpus"
    return Path(os.environ["LABQ_CORPUS"])


def measure_verdicts(_: Path) -> Iterator[Figure]:
    """Judge every file at every level."""
    corpus = _folder()
    rows = _rows(corpus)
    for level, column in _COLUMNS.items():
        different = [row["file"] for row in rows if _verdict(corpus, row, level) != row[column]]
        for name in different:
            say(f"judged differently ({level}): {name}")
        share = 100 * (1 - len(different) / len(rows))
        yield Figure(f"corpus_{level}", round(share, 2), f"% of {len(rows)} files", "100")


def measure_speed(_: Path) -> Iterator[Figure]:
    """Read and judge all files, strictly, on one core; the time is that of the processor."""
    corpus = _folder()
    texts = [(corpus / row["file"]).read_bytes() for row in _rows(corpus)]
    began = time.process_time()
    for text in texts:
        validate(text, CheckLevel.STRICT)
    rate = len(texts) / (time.process_time() - began)
    yield Figure("validate_files_per_second", round(rate), "files/s", "at least 200")


def measure(folder: Path) -> Iterator[Figure]:
    """Run the jobs that stand-ins exist for."""
    yield from _complete(folder, _folder())


def _rows(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "index.csv").open(newline="") as index:
        return list(csv.DictReader(index))


def _verdict(corpus: Path, row: dict[str, str], level: CheckLevel) -> str:
    verdict = validate((corpus / row["file"]).read_bytes(), level)
    return "valid" if verdict.is_valid else "invalid"


def _complete(folder: Path, corpus: Path) -> Iterator[Figure]:
    served, repositories = folder / "files", folder / "repositories"
    served.mkdir()
    repositories.mkdir()
    with (
        serve(served) as files,
        forge(repositories) as git,
        running(folder, "qemu=1,uboot=1") as server,
    ):
        client = Client(server.url, server.token)
        places = standins.Places(files=files, forge=git, server=server, folder=folder)
        done = [job.file for job in standins.JOBS if _ran(client, corpus, job, places)]
        client.close()
    total = len(standins.JOBS)
    yield Figure("corpus_jobs_complete", len(done), f"of {total} jobs", f"{total}")


def _ran(client: Client, corpus: Path, job: standins.CorpusJob, places: standins.Places) -> bool:
    text = (corpus / job.file).read_text()
    shown = client.run(job.rewrite(text, places), JOB_SECONDS)
    say(f"{job.file}: {shown['outcome']} {shown['error'] or ''}")
    return bool(shown["outcome"] == "complete")
