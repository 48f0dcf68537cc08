"""The table that a campaign ends with: faults by kind and target, jobs by outcome, what is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from tests.chaos.record import Record


def render(record: Record, violations: Sequence[str], seconds: float) -> Iterable[str]:
    """Yield the lines of the table, as Markdown."""
    count = Counter((hit.kind, hit.target.rpartition("/")[2]) for hit in record.hits)
    yield ""
    yield "| fault | of what | how often |"
    yield "|---|---|---:|"
    for (kind, part), number in sorted(count.items()):
        yield f"| {kind} | {part} | {number} |"
    yield f"| **all** | | **{len(record.hits)}** |"
    yield ""
    yield from _jobs(record)
    yield f"{seconds:.0f} s in all, {seconds / max(1, len(record.hits)):.1f} s a fault."
    yield ""
    yield f"Violations: {len(violations)}"
    yield from (f"* {text}" for text in violations)


def _jobs(record: Record) -> Iterable[str]:
    notes = [json.loads(line) for line in record.path.read_text().splitlines()]
    outcomes = Counter(note["outcome"] for note in notes if note["what"] == "outcome")
    errors = Counter(
        note["error"]["message"][:70]
        for note in notes
        if note["what"] == "outcome" and note["outcome"] == "incomplete"
    )
    logs = [note for note in notes if note["what"] == "log"]
    told = ", ".join(f"{number} {name}" for name, number in sorted(outcomes.items()))
    yield f"Jobs: {sum(outcomes.values())} ({told})."
    yield from (f"* {number} times: {text}" for text, number in errors.most_common())
    yield (
        f"Lines: {sum(note['lines'] for note in logs)} in the logs,"
        f" {sum(note['missing'] for note in logs)} missing in declared gaps;"
        f" {sum(note['gaps'] for note in logs)} gaps declared,"
        f" {sum(note['sessions'] for note in logs)} sessions."
    )
