"""Real job files from a folder outside the project: LABQ_CORPUS names it.

`corpus_submit_agreement` compares the submission check with the verdicts in its index.csv;
`corpus_jobs_complete` runs some of the jobs on real kernels, with local stand-ins for their files.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from labq.jobdef.parse import check_submission
from tests.benchmarks import standins
from tests.benchmarks.figures import Figure, say
from tests.lab.client import Client
from tests.lab.files import serve
from tests.lab.repositories import forge
from tests.lab.server import running

JOB_SECONDS = 600.0


def is_given() -> bool:
    """Tell whether there is a corpus to read."""
    return bool(os.environ.get("LABQ_CORPUS"))


def _folder() -> Path:
    assert is_given(), "LABQ_CORPUS must name the folder of the corpus"
    return Path(os.environ["LABQ_CORPUS"])


def measure(folder: Path) -> Iterator[Figure]:
    """Judge every file, then run those that stand-ins exist for."""
    yield from _agreement(_folder())
    yield from _complete(folder, _folder())


def _agreement(corpus: Path) -> Iterator[Figure]:
    with (corpus / "index.csv").open(newline="") as index:
        rows = list(csv.DictReader(index))
    different = [row["file"] for row in rows if _verdict(corpus, row) != row["submit_valid"]]
    for name in different:
        say(f"judged differently: {name}")
    total = len(rows)
    yield Figure("corpus_submit_agreement", total - len(different), f"of {total} files", f"{total}")


def _verdict(corpus: Path, row: dict[str, str]) -> str:
    problems = check_submission((corpus / row["file"]).read_bytes())
    return "invalid" if problems else "valid"


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
