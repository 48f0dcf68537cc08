"""What the present step has emitted already, so that nothing is sent, logged or reported twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from labq.benchlink.records import Kind, Record


@dataclass(slots=True)
class Emissions:
    """By number: the log line of a log or result, how many bytes of an input were sent, when."""

    lines: dict[int, int] = field(default_factory=dict)
    sent: dict[int, int] = field(default_factory=dict)
    announced: set[int] = field(default_factory=set)
    first_at: dict[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[Record], step: int) -> Emissions:
        """Collect what the step emitted in these records."""
        found = cls()
        for record in records:
            if record.step == step and record.number:
                found.note(record)
        return found

    def note(self, record: Record) -> None:
        """Take in one record of the step."""
        self.first_at.setdefault(record.number, record.at)
        match record.kind:
            case Kind.INPUT | Kind.TYPED:
                self.sent[record.number] = self.sent.get(record.number, 0) + len(record.data)
            case Kind.TYPING:
                self.announced.add(record.number)
            case Kind.LOG | Kind.RESULT:
                self.lines[record.number] = int(json.loads(record.data)["line"])
            case _:
                pass
