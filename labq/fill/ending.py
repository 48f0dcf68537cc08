"""How the story ends: which jobs wait, which still run, how the devices stand. Pure."""

from __future__ import annotations

from labq.domain.errors import ErrorType
from labq.domain.states import DeviceHealth, JobState
from labq.fill.arrivals import HOUR, MICROSECONDS
from labq.fill.chance import source
from labq.fill.story import (
    CODE_OF_ERROR,
    CODE_OF_OUTCOME,
    CODE_OF_STATE,
    NEVER,
    NOBODY,
    LastWord,
    Story,
)


def choose_waiting(story: Story) -> frozenset[int]:
    """Return the jobs that wait at the end: the last ones of types without a device for them."""
    wanted = story.profile.waiting
    count = len(story.cast.types)
    jammed = set(range(3, count, 5)) or {count - 1}
    found: list[int] = []
    for job in range(len(story) - 1, -1, -1):
        if len(found) >= wanted:
            break
        if story.kind[job] in jammed:
            found.append(job)
    return frozenset(found)


def end(story: Story, waiting: frozenset[int]) -> None:
    """Let the story end: some jobs still run, devices that nobody may have are out of use."""
    for job, reserved in enumerate(story.reserved):
        if reserved >= story.until:
            _leave_waiting(story, job)
    last = [NOBODY] * len(story.cast.boards)
    for job, board in enumerate(story.device):
        if board != NOBODY:
            last[board] = job
    running = _choose_running(story, last)
    for number, job in enumerate(running):
        _keep_running(story, job, number)
    jammed = {story.kind[job] for job in waiting}
    random = source(story.seed, "end")
    for board, job in enumerate(last):
        if job in running:
            story.devices.append(LastWord(job=job))
        else:
            is_jammed = story.cast.boards[board].kind in jammed
            story.devices.append(_last_word(job, random.random(), is_jammed=is_jammed))


def _leave_waiting(story: Story, job: int) -> None:
    """Take a job back to waiting: all boards of its type are busy to the end."""
    story.state[job] = CODE_OF_STATE[JobState.SUBMITTED]
    story.outcome[job], story.error[job] = CODE_OF_OUTCOME[None], CODE_OF_ERROR[None]
    story.is_host_fault[job] = False
    story.device[job] = story.phase[job] = NOBODY
    story.reserved[job] = story.began[job] = story.ended[job] = NEVER


def _choose_running(story: Story, last: list[int]) -> dict[int, None]:
    """Return the jobs that run at the end: those that are not over, and the last of some boards."""
    late = {job for job in last if job != NOBODY and story.ended[job] > story.until}
    begun = sorted(
        (
            job
            for job in last
            if job != NOBODY
            and job not in late
            and job not in story.earlier
            # What began long ago would have met its timeout.
            and story.began[job] > story.until - 12 * HOUR
        ),
        key=story.began.__getitem__,
        reverse=True,
    )
    more = begun[: max(0, story.profile.running - len(late))]
    return dict.fromkeys(sorted({*late, *more}))


def _keep_running(story: Story, job: int, number: int) -> None:
    """Take back the end of a job; some have not begun yet, some are being canceled."""
    story.outcome[job] = CODE_OF_OUTCOME[None]
    story.ended[job] = NEVER
    story.error[job] = CODE_OF_ERROR[None]
    story.is_host_fault[job] = False
    state = JobState.RUNNING
    if story.began[job] >= story.until or number % 10 == 9:
        state = JobState.SCHEDULED
        story.reserved[job] = max(story.submitted[job], story.until - 2 * MICROSECONDS)
        story.began[job], story.phase[job] = NEVER, NOBODY
    elif number % 20 == 7:
        state = JobState.CANCELING
        story.error[job] = CODE_OF_ERROR[ErrorType.CANCELED]
    story.state[job] = CODE_OF_STATE[state]


def _last_word(job: int, luck: float, *, is_jammed: bool) -> LastWord:
    """Return how an idle device stands: mostly good, or not to be had by the jobs that wait."""
    words = _OF_JAMMED if is_jammed else _OF_OTHERS
    word = next((word for limit, word in words if luck < limit), _GOOD)
    return LastWord(health=DeviceHealth.UNKNOWN) if word is _GOOD and job == NOBODY else word


_GOOD = LastWord()
_OF_JAMMED = (
    (0.5, LastWord(health=DeviceHealth.MAINTENANCE, reason="new boot firmware is tried")),
    (1.0, LastWord(health=DeviceHealth.BAD, reason="it does not go off: relay stuck")),
)
_OF_OTHERS = (
    (0.02, LastWord(health=DeviceHealth.RETIRED, reason="board replaced")),
    (0.05, LastWord(health=DeviceHealth.MAINTENANCE, reason="moved to another rack")),
    (0.08, LastWord(health=DeviceHealth.BAD, reason="health check failed")),
    (0.12, LastWord(health=DeviceHealth.UNKNOWN)),
)
