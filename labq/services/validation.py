"""Whether a job definition would be accepted, judged at one of three levels. No database is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from labq.actions.values import Level
from labq.domain.errors import InvalidInputError, Problem
from labq.jobdef import precise, source, submission
from labq.jobdef.schema import Finding
from labq.jobdef.source import Path

MAX_FINDINGS = 100


class CheckLevel(StrEnum):
    """How much is asked: SUBMIT is what submission asks for, LAX and STRICT are LAVA's `validate`.

    LAX lets unknown keys pass, STRICT does not.
    """

    SUBMIT = "submit"
    LAX = "lax"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found, in the order of the text, at most MAX_FINDINGS; nothing: it is valid.

    `path` is where the first problem is, in parts.
    """

    problems: tuple[Problem, ...] = ()
    path: Path = ()

    @property
    def is_valid(self) -> bool:
        """Return whether nothing was found."""
        return not self.problems

    def as_lava(self) -> dict[str, str]:
        """Return LAVA's answer: nothing, or path and message of the first problem."""
        if self.is_valid:
            return {}
        return {"path": str(list(self.path)), "msg": self.problems[0].message}


def validate(text: str | bytes, level: CheckLevel) -> Verdict:
    """Judge a definition; also what is no YAML has a verdict."""
    try:
        document = source.read(text)
    except InvalidInputError as error:
        return Verdict(problems=tuple(error.problems))
    found = list(islice(_findings(document.value, level), MAX_FINDINGS))
    found.sort(key=lambda finding: document.line(finding[0]) or 0)
    return Verdict(
        problems=tuple(document.problem(*finding) for finding in found),
        path=found[0][0] if found else (),
    )


def _findings(value: object, level: CheckLevel) -> Iterable[Finding]:
    if level is CheckLevel.SUBMIT:
        return submission.JOB(value, ())
    return precise.findings(value, Level(level.value))
