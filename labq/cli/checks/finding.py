"""What a check of `labq doctor` says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How bad a finding is: WEAK stops some kinds of work, MISSING stops labq."""

    GOOD = "good"
    WEAK = "weak"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, and what to do about it."""

    name: str
    state: State
    found: str
    advice: str = ""
