"""The story of a filled database: exact numbers, no overlaps, the same from the same seed."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.errors import ErrorType, InvalidInputError, NotFoundError
from labq.fill import cast, chance, profile, telling
from labq.fill.arrivals import HOUR
from labq.fill.copytext import moment
from labq.fill.episodes import Episodes
from labq.fill.profile import Profile
from labq.fill.recipes import FIRST_TEST, RECIPES, Recipe, share_cases
from labq.fill.stencil import Stencil
from labq.fill.story import CODE_OF_ERROR, NOBODY, Story

UNTIL = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 1_000_000
SMALL = profile.read("small")


def told(seed: int = 1, **changes: object) -> Story:
    found = Profile.model_validate({**SMALL.model_dump(), **changes})
    return telling.tell(found, cast.assemble(found, seed), seed, UNTIL)


@given(st.integers(0, 10**9), st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_what_is_spread_adds_up(total: int, weights: list[float]) -> None:
    shares = chance.spread(total, weights)
    assert sum(shares) == total
    assert min(shares) >= 0
    assert len(shares) == len(weights)


@given(st.sampled_from(RECIPES), st.integers(NOBODY, 5), st.integers(0, 500), st.booleans())
def test_no_suite_is_empty_and_no_case_is_lost(
    recipe: Recipe, phase: int, more: int, is_over: bool
) -> None:
    tests = len(recipe.suites[: max(0, phase - FIRST_TEST + 1)])
    cases = tests + 1 + more if tests else is_over + max(0, phase)
    shared = share_cases(recipe, cases, phase, is_over=is_over)
    assert sum(one.cases for one in shared) == cases
    assert all(one.cases > 0 for one in shared)
    assert len(shared) == tests + (is_over or phase > 0)


def test_a_story_follows_from_its_seed() -> None:
    first, second, other = told(1), told(1), told(2)
    assert (first.submitted, first.device, first.first_case) == (
        second.submitted,
        second.device,
        second.first_case,
    )
    assert first.device != other.device


def test_there_are_exactly_as_many_jobs_and_cases_as_asked_for() -> None:
    story = told(jobs=500, cases=7777)
    assert (len(story), story.first_case[-1]) == (500, 7777)


@pytest.mark.parametrize(
    "changes",
    [
        {"jobs": 1, "cases": 4, "waiting": 0, "running": 0},
        {"days": 1, "devices": 1, "device_types": 1, "hosts": 1, "running": 1},
        {"users": 4, "groups": 1, "audiences": 1, "memberships": 0, "restricted_share": 1.0},
        {"zipf": 3.0, "host_failures": 1000.0, "device_failures": 1000.0},
        {"zipf": 0.0, "health_check_share": 0.0, "device_failures": 0.0, "host_failures": 0.0},
        {"device_types": 60, "devices": 60, "hosts": 60},
    ],
)
def test_limit_values_make_a_story_too(changes: dict[str, object]) -> None:
    story = told(**changes)
    assert len(story) == story.profile.jobs
    assert story.first_case[-1] <= story.profile.cases


def test_boards_run_one_job_at_a_time() -> None:
    story = told(days=2)
    assert max(map(int.__sub__, story.reserved, story.submitted)) > HOUR // 6
    free = [0] * len(story.cast.boards)
    for job in sorted(range(len(story)), key=story.reserved.__getitem__):
        board = story.device[job]
        if board != NOBODY:
            assert story.reserved[job] >= free[board]
            free[board] = story.ended[job] or UNTIL


def test_more_jobs_come_on_weekdays_than_at_week_ends() -> None:
    story = told()
    days = [0] * 7
    for submitted in story.submitted:
        days[datetime.fromtimestamp(submitted / 1e6, UTC).weekday()] += 1
    assert sum(days[:5]) / 5 > 1.5 * sum(days[5:]) / 2


def test_infrastructure_fails_in_bursts() -> None:
    story = told(jobs=8000, cases=32_000)
    lost = [
        (story.device[job], story.reserved[job])
        for job in range(len(story))
        if story.error[job] == CODE_OF_ERROR[ErrorType.INFRASTRUCTURE]
    ]
    near = sum(
        any(
            other is not one and other[0] == one[0] and abs(other[1] - one[1]) < 24 * HOUR
            for other in lost
        )
        for one in lost
    )
    assert near / len(lost) > 0.5


def test_episodes_end_and_come_again() -> None:
    episodes, random = Episodes(1, 50.0, 20.0, 0), Random(1)
    states = [episodes.is_in(0, hour * HOUR, random) for hour in range(24 * 365)]
    changes = sum(one != other for one, other in pairwise(states))
    assert 40 < changes < 160
    assert 0.03 < sum(states) / len(states) < 0.4


def test_all_that_is_wrong_in_a_profile_is_listed_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('jobs = 0\ncases = "many"\ncolour = "red"\ndays = 10\n')
    with pytest.raises(InvalidInputError) as caught:
        profile.read(str(path))
    paths = {problem.path for problem in caught.value.problems}
    assert {"jobs", "cases", "colour", "devices"} <= paths


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"cases": 7999}, "cases"),
        ({"cases": 2_000_001}, "cases"),
        ({"jobs": 10**12}, "jobs"),
        ({"jobs": 60}, "waiting"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(changes: dict[str, int], path: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        profile.read("small", changes)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_an_unknown_profile_is_named_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match=r"medium, million, small"):
        profile.read("huge")


def test_a_stencil_fills_its_places() -> None:
    assert Stencil("a __b__ c__d____b__").fill({"b": "1", "d": "2"}) == "a 1 c21"


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)))  # noqa: DTZ001 - made aware below
def test_moments_are_written_as_postgresql_reads_them(when: datetime) -> None:
    aware = when.replace(tzinfo=UTC)
    micros = round((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)
    assert abs((datetime.fromisoformat(moment(micros)) - aware).total_seconds()) < 1e-4
