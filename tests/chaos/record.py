"""The campaign's own record: what it submitted, canceled and broke, and when."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from labq.domain.deadline import monotonic
from tests.chaos.trial import Trial


@dataclass(slots=True)
class Entry:
    """One submitted job. Without `job` nobody knows whether it was accepted."""

    trial: Trial
    submitted: float
    job: int | None = None
    canceled: float | None = None
    ended: float | None = None


@dataclass(slots=True)
class Hit:
    """One fault that was done: to which process, from when until when."""

    number: int
    kind: str
    target: str
    host: str
    began: float
    ended: float | None = None
    words: str = ""


@dataclass(slots=True)
class Record:
    """Everything that was done; each change is appended to a file at once."""

    path: Path
    entries: list[Entry] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what: str, **facts: object) -> None:
        """Append a line to the file."""
        line = json.dumps({"at": round(monotonic(), 3), "what": what, **facts}, default=str)
        with self._lock, self.path.open("a") as file:
            file.write(line + "\n")

    def submitted(self, trial: Trial) -> Entry:
        """Note a job before it is sent."""
        entry = Entry(trial, monotonic())
        self.entries.append(entry)
        self.note("submit", name=trial.name, kind=trial.kind)
        return entry

    def accepted(self, entry: Entry, job: int) -> None:
        """Note that a job was accepted."""
        entry.job = job
        self.note("accepted", name=entry.trial.name, job=job)

    def canceled(self, entry: Entry) -> None:
        """Note that a cancel was accepted."""
        entry.canceled = monotonic()
        self.note("canceled", name=entry.trial.name, job=entry.job)

    def ended(self, entry: Entry) -> None:
        """Note that the server says that a job is over."""
        entry.ended = monotonic()
        self.note("ended", name=entry.trial.name, job=entry.job)

    def began(self, hit: Hit) -> None:
        """Note a fault."""
        self.hits.append(hit)
        self.note("fault", **asdict(hit))

    def over(self, hit: Hit) -> None:
        """Note that what a fault did is undone."""
        hit.ended = monotonic()
        self.note("mended", number=hit.number)

    def open_entries(self) -> Iterator[Entry]:
        """Yield the accepted jobs that are not known to be over."""
        return (entry for entry in list(self.entries) if entry.job and entry.ended is None)
