"""Tells the story: each job in the order of time, on devices that run one at a time. Pure.

Everything here runs once for each of a million jobs: plain lists and numbers, few calls.
"""

from __future__ import annotations

from typing import NamedTuple

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.fill import arrivals, ending, fates, numbering, words
from labq.fill.arrivals import MICROSECONDS
from labq.fill.cast import CHECKER, NAMED_USERS, ORDINARY, PERSONAL, PUBLIC, Cast
from labq.fill.chance import Weighted, source, zipf
from labq.fill.episodes import DEVICE_HOURS, HOST_HOURS, Episodes
from labq.fill.fates import Fate
from labq.fill.profile import Profile
from labq.fill.recipes import FIRST_TEST, HEALTH_CHECK, RECIPES
from labq.fill.story import (
    CODE_OF_ERROR,
    CODE_OF_OUTCOME,
    CODE_OF_STATE,
    NEVER,
    NOBODY,
    Earlier,
    Pin,
    Story,
)

MINUTE = 60 * MICROSECONDS
SECOND = MICROSECONDS
_BUSIEST = 0.5
_TRIES = 4
_PERSONAL_SHARE = 0.12


def tell(profile: Profile, cast: Cast, seed: int, until: int) -> Story:
    """Return the story of the lab up to the moment `until`, in microseconds of UTC."""
    story = Story(profile=profile, cast=cast, seed=seed, until=until)
    arrivals_of_jobs = source(seed, "arrivals")
    story.submitted = arrivals.times(profile.jobs, profile.days, until, arrivals_of_jobs)
    _draw_kinds(story)
    waiting = ending.choose_waiting(story)
    _Teller(story, waiting).tell()
    ending.end(story, waiting)
    numbering.number(story)
    return story


def _draw_kinds(story: Story) -> None:
    kinds = Weighted(zipf(len(story.cast.types), story.profile.zipf))
    random = source(story.seed, "kinds").random
    story.kind.extend(kinds.at(random()) for _ in story.submitted)


class _Times(NamedTuple):
    """Where a job ran, and when."""

    device: int
    reserved: int
    began: int
    ended: int


_NO_TIMES = _Times(NOBODY, NEVER, NEVER, NEVER)


class _Teller:
    """Tells what becomes of each job, with what it has to know of all before it."""

    def __init__(self, story: Story, waiting: frozenset[int]) -> None:
        self._story, self._waiting = story, waiting
        self._random = source(story.seed, "story")
        profile, cast = story.profile, story.cast
        begin = story.until - profile.days * arrivals.DAY
        self._free = [begin] * len(cast.boards)
        self._bad_boards = Episodes(len(cast.boards), profile.device_failures, DEVICE_HOURS, begin)
        self._bad_hosts = Episodes(len(cast.hosts), profile.host_failures, HOST_HOURS, begin)
        self._bad_builds = Episodes(len(cast.types), 10.0, 24.0, begin)
        self._boards = [Weighted(zipf(kind.count, profile.zipf)) for kind in cast.types]
        self._recipes = Weighted([recipe.popularity for recipe in RECIPES])
        self._trees = Weighted(zipf(len(words.TREES), 0.8))
        self._users = Weighted(_busy_users(profile))
        self._audiences = Weighted(zipf(len(cast.audiences) - 2, 0.8))
        self._pace = _pace(story)

    def tell(self) -> None:
        """Fill the arrays of the story."""
        for job in range(len(self._story)):
            self._ask(job)
            if job in self._waiting:
                self._leave_waiting()
            else:
                self._serve(job)

    def _ask(self, job: int) -> None:
        """Say who wants what."""
        story, random = self._story, self._random.random
        is_check = random() < story.profile.health_check_share and job not in self._waiting
        story.pin.append(Pin.HEALTH_CHECK if is_check else Pin.NOTHING)
        story.recipe.append(HEALTH_CHECK if is_check else self._recipes.at(random()))
        story.submitter.append(CHECKER if is_check else self._users.at(random()))
        story.audience.append(PUBLIC if is_check else self._audience())
        story.priority.append(100 if is_check else (50, 50, 50, 50, 20, 80)[int(random() * 6)])
        story.tree.append(self._trees.at(random()))
        story.build.append(int(random() * 256))
        story.retries.append(1 if random() < story.profile.retry_share and not is_check else 0)
        story.wanted.append(NOBODY)

    def _audience(self) -> int:
        random = self._random.random
        share = self._story.profile.restricted_share
        # So many more are restricted that the share holds with health checks, which are public.
        if random() >= share / (1 - self._story.profile.health_check_share):
            return PUBLIC
        return PERSONAL if random() < _PERSONAL_SHARE else 2 + self._audiences.at(random())

    def _leave_waiting(self) -> None:
        self._write(JobState.SUBMITTED, None, Fate(NOBODY), _NO_TIMES)

    def _serve(self, job: int) -> None:
        """Run a job, or end it without a run."""
        story, random = self._story, self._random.random
        luck = random()
        if luck < 0.016 and story.pin[job] != Pin.HEALTH_CHECK:
            self._turn_away(job, is_refused=luck < 0.003)
            return
        board, reserved = self._reserve(job)
        if random() < 0.05 and story.pin[job] == Pin.NOTHING:
            story.pin[job] = Pin.DEVICE
        if story.pin[job] != Pin.NOTHING:
            story.wanted[job] = board
        fate = self._fate(job, board, reserved)
        if story.retries[job] and fate.error is ErrorType.INFRASTRUCTURE:
            board, reserved = self._run_again(job, board, reserved, fate)
            fate = self._fate(job, board, reserved)
        self._run(job, board, reserved, fate)

    def _turn_away(self, job: int, *, is_refused: bool) -> None:
        """End a job that never gets a device: canceled while it waits, or refused."""
        submitted = self._story.submitted[job]
        if is_refused:
            ended = submitted + 2 * SECOND
            fate = Fate(NOBODY, ErrorType.JOB)
            outcome = Outcome.INCOMPLETE
        else:
            ended = submitted + int(self._random.expovariate(1 / (5 * MINUTE)))
            fate, outcome = Fate(NOBODY, ErrorType.CANCELED), Outcome.CANCELED
        ended = min(ended, self._story.until - 1)
        self._write(JobState.FINISHED, outcome, fate, _Times(NOBODY, NEVER, ended, ended))

    def _reserve(self, job: int) -> tuple[int, int]:
        """Return the device that takes a job, and when: one of those it likes that is free."""
        kind = self._story.cast.types[self._story.kind[job]]
        submitted = self._story.submitted[job]
        liked = self._boards[self._story.kind[job]].draw(self._random)
        tried = [
            kind.first + (liked + more) % kind.count for more in range(min(_TRIES, kind.count))
        ]
        free = self._free
        board = next((one for one in tried if free[one] <= submitted), None)
        if board is None:
            board = min(range(kind.first, kind.first + kind.count), key=free.__getitem__)
        reserved = max(submitted, free[board]) + int((0.05 + self._random.random()) * SECOND)
        return board, reserved

    def _fate(self, job: int, board: int, moment: int) -> Fate:
        """Return how a run on this board at this moment goes."""
        random, kind = self._random, self._story.kind[job]
        host = self._story.cast.boards[board].host
        luck = random.random()
        if self._bad_hosts.is_in(host, moment, random) and luck < 0.8:
            return fates.lost(random, is_host_fault=True)
        if self._bad_boards.is_in(board, moment, random) and luck < 0.6:
            return fates.lost(random, is_host_fault=False)
        last = FIRST_TEST + len(RECIPES[self._story.recipe[job]].suites) - 1
        if self._bad_builds.is_in(kind, moment, random):
            return fates.regressed(luck, last)
        return fates.ordinary(random, luck, last)

    def _run_again(self, job: int, board: int, reserved: int, fate: Fate) -> tuple[int, int]:
        """Note a run that failed, and return where and when the next one begins."""
        began, ended = self._times(job, reserved, fate)
        self._free[board] = ended
        earlier = Earlier(
            number=1,
            device=board,
            reserved=reserved,
            began=began,
            ended=ended,
            phase=fate.phase,
            is_host_fault=fate.is_host_fault,
        )
        kind = self._story.cast.types[self._story.kind[job]]
        other = kind.first + (board - kind.first + 1) % kind.count
        again = max(ended, self._free[other]) + SECOND
        if again < self._story.until - MINUTE and not self._story.pin[job]:
            self._story.earlier[job] = [earlier]
            self._story.retries[job] = 0
            return other, again
        return board, reserved

    def _times(self, job: int, reserved: int, fate: Fate) -> tuple[int, int]:
        kind = self._story.kind[job]
        minutes = 3 + RECIPES[self._story.recipe[job]].minutes
        length = minutes * MINUTE * self._pace[kind] * fate.share
        began = reserved + int((0.1 + 2 * self._random.random()) * SECOND * self._pace[kind])
        return began, began + 1 + int(length * self._random.lognormvariate(0, 0.4))

    def _run(self, job: int, board: int, reserved: int, fate: Fate) -> None:
        began, ended = self._times(job, reserved, fate)
        self._free[board] = ended
        is_canceled = fate.error is ErrorType.CANCELED
        if fate.error is None:
            outcome = Outcome.COMPLETE
        else:
            outcome = Outcome.CANCELED if is_canceled else Outcome.INCOMPLETE
        self._write(JobState.FINISHED, outcome, fate, _Times(board, reserved, began, ended))

    def _write(self, state: JobState, outcome: Outcome | None, fate: Fate, times: _Times) -> None:
        story = self._story
        story.state.append(CODE_OF_STATE[state])
        story.outcome.append(CODE_OF_OUTCOME[outcome])
        story.error.append(CODE_OF_ERROR[fate.error])
        story.is_host_fault.append(fate.is_host_fault)
        story.phase.append(fate.phase)
        story.flaw.append(fate.flaw)
        story.device.append(times.device)
        story.reserved.append(times.reserved)
        story.began.append(times.began)
        story.ended.append(times.ended)


def _busy_users(profile: Profile) -> list[float]:
    """Return how much each user submits: programs most, the ordinary one like many people."""
    weights = [0.01, 0.0, 0.0, *zipf(profile.users - len(NAMED_USERS), profile.zipf)]
    weights[ORDINARY] = weights[len(weights) // 2]
    return weights


def _pace(story: Story) -> list[float]:
    """Return a factor for each type: jobs take less time where its devices would not suffice."""
    jobs = [0] * len(story.cast.types)
    for kind in story.kind:
        jobs[kind] += 1
    mean = sum(one.popularity * (one.minutes + 3) for one in RECIPES) / 100 * MINUTE
    span = story.profile.days * arrivals.DAY * _BUSIEST
    return [
        min(1.0, kind.count * span / max(1.0, count * mean))
        for kind, count in zip(story.cast.types, jobs, strict=True)
    ]
