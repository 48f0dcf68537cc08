"""The course of a run: when each of its steps began and ended, and how. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, StepState
from labq.fill.book import Book
from labq.fill.recipes import BOOT, DEPLOY, DOWNLOAD
from labq.fill.story import ERRORS, NEVER, STATES, Earlier

_SHARES = {DOWNLOAD: 0.12, DEPLOY: 0.05, BOOT: 0.15}
_COLLECT_SHARE = 0.01
_TEST_SHARE = 1 - sum(_SHARES.values()) - _COLLECT_SHARE


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step; moments in microseconds, NEVER for what did not come."""

    state: StepState
    began: int
    ended: int


@dataclass(frozen=True, slots=True)
class _Span:
    began: int
    ended: int
    phase: int
    last: StepState


def course(book: Book, job: int) -> list[StepTime]:
    """Return the steps of a job's last run, in their order."""
    story = book.story
    steps = len(book.recipe(job).suites) + 4
    state, error = STATES[story.state[job]], ERRORS[story.error[job]]
    began = story.began[job]
    if not began:
        return [StepTime(StepState.WAITING, NEVER, NEVER)] * steps
    if state is JobState.FINISHED:
        ending = {None: StepState.DONE, ErrorType.CANCELED: StepState.SKIPPED}
        last = ending.get(error, StepState.FAILED)
        span = _Span(began, story.ended[job], story.phase[job], last)
        return _closed(span, steps)
    return _open(_Span(began, story.until, story.phase[job], StepState.RUNNING), steps)


def course_of(earlier: Earlier, steps: int) -> list[StepTime]:
    """Return the steps of a run that failed before another one was made."""
    return _closed(_Span(earlier.began, earlier.ended, earlier.phase, StepState.FAILED), steps)


def _closed(span: _Span, steps: int) -> list[StepTime]:
    collected = span.ended - int((span.ended - span.began) * _COLLECT_SHARE)
    found = _begun(span, steps, collected)
    if span.last is StepState.SKIPPED:
        # Nobody reports the end of a step that was broken off.
        found[-1] = replace(found[-1], ended=NEVER)
    found += [StepTime(StepState.SKIPPED, NEVER, NEVER)] * (steps - 1 - len(found))
    return [*found, StepTime(StepState.DONE, collected, span.ended)]


def _open(span: _Span, steps: int) -> list[StepTime]:
    begun = _begun(span, steps, span.ended)
    begun[-1] = StepTime(span.last, begun[-1].began, NEVER)
    return begun + [StepTime(StepState.WAITING, NEVER, NEVER)] * (steps - len(begun))


def _begun(span: _Span, steps: int, until: int) -> list[StepTime]:
    """Return the steps that began; the time is theirs, in the usual ratio."""
    tests = max(1, steps - 4)
    shares = [_SHARES.get(at, _TEST_SHARE / tests) for at in range(span.phase + 1)]
    whole, reached, moment = sum(shares), 0.0, span.began
    found = []
    for at, share in enumerate(shares):
        reached += share
        end = span.began + int((until - span.began) * (reached / whole))
        is_last = at == len(shares) - 1
        found.append(StepTime(span.last if is_last else StepState.DONE, moment, end))
        moment = end
    return found
