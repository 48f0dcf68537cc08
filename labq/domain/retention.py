"""Which data of a finished job is removed when: policies, the first that fits, whole days. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.states import Outcome

MOST_DAYS = 36_500


class Kind(StrEnum):
    """A kind of a job's data; JOBS is the whole job with all that is left of it."""

    CONSOLE = "console"
    ARTIFACTS = "artifacts"
    LOGS = "logs"
    PLANS = "plans"
    RESULTS = "results"
    JOBS = "jobs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A policy as it is applied; a selector that is None fits everything.

    `audiences` are those that its group belongs to. `days` has the kinds that are removed, each
    with the days that it is kept after the job's end.
    """

    id: int
    name: str
    audiences: frozenset[int] | None
    device_type: str | None
    outcome: Outcome | None
    days: Mapping[Kind, int]
    is_archived: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A finished job as policies see it."""

    device_type: str
    outcome: Outcome
    audience: int
    ended_at: datetime


def first_match(rules: Iterable[Rule], subject: Subject) -> Rule | None:
    """Return the first policy that fits a job: it alone says what becomes of its data."""
    return next((rule for rule in rules if _fits(rule, subject)), None)


def due_on(ended_at: datetime, days: int) -> date:
    """Return the UTC day from whose beginning on data that is kept for `days` may go."""
    return ended_at.astimezone(UTC).date() + timedelta(days=days + 1)


def due_kinds(
    rule: Rule, ended_at: datetime, present: Collection[Kind], today: date
) -> tuple[Kind, ...]:
    """Return what of a job goes now: JOBS alone when the whole job does, it takes the rest along."""
    due = [
        kind
        for kind, days in rule.days.items()
        if kind in present and due_on(ended_at, days) <= today
    ]
    return (Kind.JOBS,) if Kind.JOBS in due else tuple(due)


def check_days(days: Mapping[Kind, int]) -> None:
    """Raise InvalidInputError for ages out of range, or later than that of the whole job."""
    problems = [
        Problem(f"days.{kind}", f"{age}: from 1 to {MOST_DAYS}")
        for kind, age in days.items()
        if not 1 <= age <= MOST_DAYS
    ]
    whole = days.get(Kind.JOBS)
    problems += [
        Problem(f"days.{kind}", f"{age}: whole jobs go after {whole} days, with all they have")
        for kind, age in days.items()
        if whole is not None and age > whole
    ]
    if problems:
        raise InvalidInputError(problems)


def _fits(rule: Rule, subject: Subject) -> bool:
    return (
        (rule.audiences is None or subject.audience in rule.audiences)
        and (rule.device_type is None or rule.device_type == subject.device_type)
        and (rule.outcome is None or rule.outcome is subject.outcome)
    )
