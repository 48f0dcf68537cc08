"""What a test in the shell asks of its group: the call on the console, the answer typed into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labq.actions.steps.dictionary import character_delay
from labq.actions.steps.expiry import TestTimeoutError
from labq.actions.steps.group import Answer, Group
from labq.actions.steps.signals import GroupCall, pairs
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import TestError
from labq.domain.verdicts import Level, Verdict
from labq.hw.expect import Expect

ACTION = "multinode-test"
LEAST_SECONDS = 90.0
"""How long others are waited for at least, where the job does not say how long."""
MOST_CHARACTERS = 1000
"""Of one typed line: terminals take no more than 4,095."""


def answer_call(work: Work, expect: Expect, call: GroupCall, deadline: Deadline) -> None:
    """Do what a test asks of its group, and type the answer. Raises TestError."""
    work.session.log(
        Level.DEBUG, f"Received Multi_Node API <LAVA_{call.request}> {' '.join(call.words)}"
    )
    try:
        answer = perform(work, call, deadline)
    except TestTimeoutError:
        _type(work, expect, ["nack"])
        raise
    if answer is not None:
        _type(work, expect, list(_words(answer)))


def perform(work: Work, call: GroupCall, deadline: Deadline) -> Answer | None:
    """Do a call and report its case; return what was told, None where there is no answer.

    Raises TestError: nobody answered in time, or the job is in no group.
    """
    name = call.words[0]
    if work.session.plan.seat is None:
        raise TestError(f"LAVA_{call.request} {name}: this job is in no multinode group")
    case, clock = f"multinode-{call.request.lower()}-{name}", work.session.group.now
    began = clock()
    try:
        answer = _ask(work, call, deadline)
    except TestTimeoutError:
        work.report(case, Verdict.FAIL, clock() - began)
        raise
    work.report(case, Verdict.PASS, clock() - began)
    return answer


def _ask(work: Work, call: GroupCall, deadline: Deadline) -> Answer | None:
    """Return what was told, None for a call that has no answer."""
    group, (name, *rest) = Group.of(work.session), call.words
    limit = _limit(work, deadline)
    match call.request:
        case "SEND":
            group.send(name, pairs(tuple(rest)))
            return None
        case "WAIT":
            return group.wait(name, limit)
        case "WAIT_ALL":
            return group.wait_all(name, rest[0] if rest else "", limit)
        case _:
            return group.sync(name, limit)


def _limit(work: Work, deadline: Deadline) -> Deadline:
    """Return when a wait is over: at most with the test itself."""
    timeouts = work.session.step.timeouts
    seconds = timeouts.of(ACTION)
    if ACTION not in timeouts.actions:
        seconds = max(LEAST_SECONDS, seconds)
    now = work.session.group.now()
    return Deadline.after(min(seconds, deadline.remaining(now)), now)


def _words(answer: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for member, data in answer.items():
        yield from (f"{member}:{key}={value}" for key, value in data.items())


def _type(work: Work, expect: Expect, words: list[str]) -> None:
    """Type an answer, on as many lines as it needs, and an empty line."""
    line = "<LAVA_WAIT_COMPLETE"
    lines = []
    for word in words:
        if len(line) + len(word) >= MOST_CHARACTERS:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}"
    delay = character_delay(work.session, "test")
    for one in (*lines, f"{line}>", ""):
        expect.send(one.encode() + b"\n", delay)
