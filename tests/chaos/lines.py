"""The numbered lines in a stored log: each once and in order, but where the journal declares a gap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

NUMBERED = re.compile(r"L:(\d+):(\w+):(\d+);\s*")
GAP = "may be missing here"


@dataclass(slots=True)
class Printed:
    """What a log has: the last number by (session, tag), lines missing in gaps, what is wrong."""

    last: dict[tuple[int, str], int] = field(default_factory=dict)
    missing: int = 0
    gaps: int = 0
    ends_in_gap: bool = False
    problems: list[str] = field(default_factory=list)

    def take(self, session: int, tag: str, number: int) -> None:
        """Take in one numbered line."""
        key = (session, tag)
        before = self.last.get(key, 0)
        if number <= before:
            self.problems.append(f"line {session}:{tag}:{number} came after {before}")
        elif number > before + 1:
            lost = number - before - 1
            if self.ends_in_gap:
                self.missing += lost
            else:
                self.problems.append(f"{lost} lines are missing before {session}:{tag}:{number}")
        self.last[key] = max(number, before)
        self.ends_in_gap = False

    def facts(self) -> dict[str, int]:
        """Return counts for the record."""
        return {
            "lines": sum(self.last.values()) - self.missing,
            "missing": self.missing,
            "gaps": self.gaps,
            "sessions": len({session for session, _ in self.last}),
        }


def read(log: Iterable[Mapping[str, Any]]) -> Printed:
    """Return what the parsed lines of a log hold."""
    told = Printed()
    for line in log:
        text = str(line["msg"])
        if line["lvl"] != "target":
            if GAP in text:
                told.gaps += 1
                told.ends_in_gap = True
        elif match := NUMBERED.fullmatch(text):
            told.take(int(match[1]), match[2], int(match[3]))
    return told
