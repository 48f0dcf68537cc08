"""Where results stand: in which suites, in which lines of the log, at which moments. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from labq.domain.errors import ErrorType
from labq.fill.book import Book
from labq.fill.course import course
from labq.fill.recipes import BOOT, FIRST_TEST, OWN_CASES, case_names, share_cases
from labq.fill.story import ERRORS, NOBODY

CLOSING_LINES = 12
_BOOT_LINES = {"u-boot": 420, "fastboot": 350, "qemu": 300}
_NO_BOOT_LINES = 60
_MIXED = 2_654_435_761


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A suite of a job: its cases take `stride` lines each from `line` on, between two moments.

    `odd` are the positions of those that did not pass, with their verdicts. `suite` is None for
    labq's own one, whose cases stand where `own_lines` says.
    """

    suite: int | None
    name: str
    first_case: int
    cases: int
    step: int
    line: int
    stride: int
    began: int
    ended: int
    odd: dict[int, str]

    def count(self, verdict: str) -> int:
        """Return how many cases have this verdict."""
        if verdict == "pass":
            return self.cases - len(self.odd)
        return sum(1 for one in self.odd.values() if one == verdict)


def parts(book: Book, job: int) -> list[Part]:
    """Return the suites of a job in the order in which they are numbered."""
    story, recipe = book.story, book.recipe(job)
    cases = story.first_case[job + 1] - story.first_case[job]
    if not cases:
        return []
    is_over = story.is_over(job)
    times = course(book, job) if story.began[job] and story.phase[job] != NOBODY else []
    line, number = boot_lines(book, job), story.first_case[job]
    found = []
    for one in share_cases(recipe, cases, story.phase[job], is_over=is_over):
        if one.suite is None:
            found.append(_own(book, job, one.cases, number))
            continue
        suite, time = recipe.suites[one.suite], times[FIRST_TEST + one.suite]
        odd = _odd(book, job, one.suite, one.cases)
        found.append(
            Part(
                suite=one.suite,
                name=f"{one.suite}_{suite.name}",
                first_case=number,
                cases=one.cases,
                step=FIRST_TEST + one.suite,
                line=line,
                stride=suite.lines,
                began=time.began,
                ended=time.ended or story.until,
                odd=odd,
            )
        )
        line += one.cases * suite.lines
        number += one.cases
    return found


def _own(book: Book, job: int, cases: int, number: int) -> Part:
    story = book.story
    is_over = story.is_over(job)
    has_failed = is_over and ERRORS[story.error[job]] is not None
    return Part(
        suite=None,
        name="lava",
        first_case=number,
        cases=cases,
        step=0,
        line=0,
        stride=0,
        began=story.began[job] or story.submitted[job],
        ended=story.ended[job] or story.until,
        odd={cases - 1: "fail"} if has_failed else {},
    )


def boot_lines(book: Book, job: int) -> int:
    """Return how many lines of a job's log stand before those of its tests."""
    story = book.story
    if story.phase[job] < BOOT:
        return _NO_BOOT_LINES
    lines = _BOOT_LINES[book.type_of(job).family] + story.build[job] % 64
    if job == story.long_log:
        return max(lines, story.profile.longest_log_lines - CLOSING_LINES - test_lines(book, job))
    return lines


def test_lines(book: Book, job: int) -> int:
    """Return how many lines the tests of a job left."""
    story, recipe = book.story, book.recipe(job)
    cases = story.first_case[job + 1] - story.first_case[job]
    shared = share_cases(recipe, cases, story.phase[job], is_over=story.is_over(job))
    return sum(
        one.cases * recipe.suites[one.suite].lines for one in shared if one.suite is not None
    )


def total_lines(book: Book, job: int) -> int:
    """Return how many lines a job's log has."""
    return boot_lines(book, job) + test_lines(book, job) + CLOSING_LINES


def own_cases(book: Book, job: int, cases: int) -> Sequence[tuple[str, int, int | None]]:
    """Return name, step and log line of each of labq's own cases; the job's has no line."""
    lines = (20, 40, boot_lines(book, job) - 1)
    is_over = book.story.is_over(job)
    of_steps = cases - is_over
    found = [(OWN_CASES[at], at, lines[at]) for at in range(of_steps)]
    return [*found, ("job", -1, None)] if is_over else found


def case_name(names: Sequence[str], number: int) -> str:
    """Return the name of a suite's case; pools that are too small are gone through again."""
    again, at = divmod(number, len(names))
    return f"{names[at]}-{again + 1}" if again else names[at]


def names_of(book: Book, job: int, suite: int) -> Sequence[str]:
    """Return the names of the cases of one of a job's suites."""
    return case_names(book.recipe(job).suites[suite].cases)


def _odd(book: Book, job: int, suite: int, cases: int) -> dict[int, str]:
    """Return which cases did not pass: few of a good build, many beside each other of a bad one."""
    story = book.story
    mixed = (job * _MIXED + suite * 40_503) & 0xFFFF_FFFF
    failed = (cases * story.flaw[job] * 16 + (mixed & 0xFFF)) // (255 * 16)
    start = (mixed >> 8) % cases
    found = {(start + at * 5) % cases: "fail" for at in range(min(failed, cases))}
    if cases > 40:
        skip = (mixed >> 4) % cases
        found |= {(skip + at) % cases: "skip" for at in range(cases // 32)}
    is_last = suite == len(book.recipe(job).suites) - 1
    if is_last and ERRORS[story.error[job]] is ErrorType.TEST:
        found[cases - 1] = "unknown"
    return found
