"""Numbers runs, suites and cases, so that rows can be made in any order. Pure."""

from __future__ import annotations

from itertools import accumulate

from labq.domain.states import Outcome
from labq.fill.cast import PUBLIC
from labq.fill.chance import spread
from labq.fill.recipes import FIRST_TEST, HEALTH_CHECK, RECIPES
from labq.fill.story import CODE_OF_OUTCOME, NOBODY, Story


def number(story: Story) -> None:
    """Number runs, suites and cases: as many cases in all as the profile says."""
    runs = accumulate(map(story.runs, range(len(story))))
    story.last_run.extend(runs)
    suites = [_suites(story, job) for job in range(len(story))]
    story.first_suite.extend(accumulate(suites, initial=0))
    least = [_least_cases(story, job, suites[job]) for job in range(len(story))]
    weights = [_weight(story, job) for job in range(len(story))]
    left = story.profile.cases - sum(least)
    more = spread(left, weights) if any(weights) else [0] * len(weights)
    cases = (few + many for few, many in zip(least, more, strict=True))
    story.first_case.extend(accumulate(cases, initial=0))
    story.long_log = _choose_long_log(story)


def _suites(story: Story, job: int) -> int:
    """Return how many suites a job has: those of its tests that began, and labq's own."""
    phase, is_over = story.phase[job], story.is_over(job)
    return max(0, phase - FIRST_TEST + 1) + (is_over or phase > 0)


def _least_cases(story: Story, job: int, suites: int) -> int:
    """Return how many cases a job has at least; one that tested nothing has no more than these."""
    phase = story.phase[job]
    return suites if phase >= FIRST_TEST else story.is_over(job) + max(0, phase)


def _weight(story: Story, job: int) -> float:
    """Return how many cases of tests a job has beside others."""
    phase = story.phase[job]
    suites = RECIPES[story.recipe[job]].suites[: max(0, phase - FIRST_TEST + 1)]
    noise = 0.6 + story.build[job] / 320
    return sum(suite.weight for suite in suites) * noise


def _choose_long_log(story: Story) -> int:
    """Return the newest job that everybody may see and that tested something to its end."""
    complete = CODE_OF_OUTCOME[Outcome.COMPLETE]
    found = (
        job
        for job in range(len(story) - 1, -1, -1)
        if story.outcome[job] == complete
        and story.audience[job] == PUBLIC
        and story.recipe[job] != HEALTH_CHECK
    )
    return next(found, NOBODY)
