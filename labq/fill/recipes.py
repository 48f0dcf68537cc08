"""What jobs test: recipes of suites, how often they are run, how long they take, their cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from labq.fill import words


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOf:
    """A test block's definition: `weight` says how many of the job's cases are its own.

    `cases` names the pool of its cases; each takes `lines` lines of the log.
    """

    name: str
    cases: str
    weight: float
    lines: int
    repository: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One kind of job. `minutes` is how long its tests take on a board."""

    name: str
    popularity: float
    minutes: float
    suites: tuple[SuiteOf, ...]


_GIT = "https://git.example.org/qa/test-definitions.git"
_SMOKE = SuiteOf(name="smoke", cases="smoke", weight=1.0, lines=6, repository="inline")
_BASELINE = SuiteOf(name="baseline", cases="baseline", weight=1.2, lines=5, repository="inline")
_LTP = SuiteOf(name="ltp-syscalls", cases="syscalls", weight=20.0, lines=9, repository=_GIT)
_KSELFTEST = SuiteOf(name="kselftest", cases="selftests", weight=8.0, lines=12, repository=_GIT)
_BENCHES = SuiteOf(name="benchmarks", cases="benches", weight=1.0, lines=8, repository=_GIT)
_HEALTH = SuiteOf(name="health", cases="smoke", weight=0.3, lines=5, repository="inline")

RECIPES = (
    Recipe(name="baseline", popularity=30, minutes=4, suites=(_BASELINE,)),
    Recipe(name="smoke", popularity=25, minutes=6, suites=(_SMOKE,)),
    Recipe(name="ltp", popularity=12, minutes=40, suites=(_SMOKE, _LTP)),
    Recipe(name="kselftest", popularity=10, minutes=30, suites=(_BASELINE, _KSELFTEST)),
    Recipe(name="benchmarks", popularity=10, minutes=25, suites=(_SMOKE, _BENCHES)),
    Recipe(name="full", popularity=8, minutes=70, suites=(_SMOKE, _KSELFTEST, _BENCHES)),
    Recipe(name="health-check", popularity=0, minutes=3, suites=(_HEALTH,)),
)
HEALTH_CHECK = len(RECIPES) - 1
DOWNLOAD, DEPLOY, BOOT, FIRST_TEST = range(4)
"""The steps of every job: these three, one for each suite, and the one that collects."""
OWN_CASES = ("http-download", "deploy", "login-action")
"""Cases of the suite `lava` that the steps before the first test report when they are done."""


@lru_cache(maxsize=16)
def case_names(pool: str) -> Sequence[str]:
    """Return the names of the cases of a pool, in the order in which they run."""
    match pool:
        case "syscalls":
            return [f"{name}{number:02}" for name in words.SYSCALLS for number in range(1, 9)]
        case "selftests":
            return [
                f"{name}.{part}"
                for name in words.SELFTESTS
                for part in ("basic", "errors", "limits", "races", "stress", "config")
            ]
        case "benches":
            return [name for name, _ in words.BENCHES]
        case "baseline":
            return words.BASELINE
        case _:
            return words.SMOKE


@dataclass(frozen=True, slots=True)
class Reported:
    """One suite of a job: None for the server's and the steps' own, and how many cases it has."""

    suite: int | None
    cases: int


def share_cases(recipe: Recipe, cases: int, phase: int, *, is_over: bool) -> list[Reported]:
    """Return the suites of a job that came as far as the step `phase`, with `cases` in all.

    The last one is `lava`; a job that ended has its own case in it.
    """
    reached = recipe.suites[: max(0, phase - FIRST_TEST + 1)]
    least = len(reached) + is_over
    own = is_over + max(0, min(phase, len(OWN_CASES), cases - least))
    rest = cases - own
    weights = [suite.weight for suite in reached]
    found = []
    for index, weight in enumerate(weights):
        left = len(reached) - index - 1
        share = round((rest - left) * weight / sum(weights[index:])) if left else rest
        share = max(1, min(share, rest - left))
        found.append(Reported(index, share))
        rest -= share
    return [*found, *([Reported(None, own)] if own else [])]
