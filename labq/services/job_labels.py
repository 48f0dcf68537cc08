"""Labels of jobs: what a search can ask for beside columns, small values of tags and metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from sqlalchemy.orm import Session

from labq.models.job import Job
from labq.services import prepared

TAG = "tag"
METADATA = "meta."
LONGEST_NAME, LONGEST_VALUE, MOST_LABELS = 100, 200, 50


def store(session: Session, job: Job, metadata: Mapping[str, object]) -> None:
    """Write the labels of a new job, MOST_LABELS at most: its tags first."""
    pairs = list(islice(labels(job.tags, metadata), MOST_LABELS))
    if pairs:
        names, texts = zip(*pairs, strict=True)
        values = {"names": list(names), "texts": list(texts)}
        prepared.run(session, _STORE, {**values, "job": job.id, "audience": job.audience_id})


def labels(tags: Iterable[str], metadata: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield (name, value) pairs, each once: `tag`, and `meta.<key>` for texts and lists of them.

    Deeper metadata, empty values, names over LONGEST_NAME and values over LONGEST_VALUE characters
    are left out: they are in the definition, and no search finds them.
    """
    found = [(TAG, tag) for tag in sorted(tags)]
    for key in sorted(metadata):
        value = metadata[key]
        items = value if isinstance(value, list) else [value]
        found += sorted((METADATA + key, item) for item in items if isinstance(item, str))
    for name, value in dict.fromkeys(found):
        if value and len(name) <= LONGEST_NAME and len(value) <= LONGEST_VALUE:
            yield name, value


_STORE = """
INSERT INTO job_label (name, value, job_id, audience_id)
SELECT one.name, one.value, CAST(%(job)s AS bigint), CAST(%(audience)s AS integer)
  FROM unnest(CAST(%(names)s AS text[]), CAST(%(texts)s AS text[])) AS one(name, value)
"""
