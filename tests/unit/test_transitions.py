"""State moves: only those in the tables, each with one audit row. No database is needed to refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, ErrorType, Failure
from labq.domain.states import (
    DeliveryState,
    DeviceHealth,
    DeviceState,
    HostHealth,
    HostState,
    JobState,
    Outcome,
    RunState,
    StepState,
)
from labq.models.delivery import Delivery
from labq.models.device import Device
from labq.models.host import Host
from labq.models.job import Job
from labq.models.run import Run, Step
from labq.services import transitions
from labq.services.transitions import By

BY = By("ann", datetime(2026, 11, 20, 9, tzinfo=UTC), "because")


@dataclass(frozen=True)
class Noun:
    """How one state column is moved, and the moves that are legal."""

    states: type[StrEnum]
    attribute: str
    moves: Any
    make: Callable[[Any], Any]
    move: Callable[[Session, Any, Any, By], None]


def _move_job(session: Session, job: Job, to: JobState, by: By) -> None:
    if to is JobState.FINISHED:
        transitions.finish_job(session, job, Outcome.COMPLETE, None, by=by)
    else:
        transitions.move_job(session, job, to, by)


NOUNS = (
    Noun(
        JobState,
        "state",
        transitions.JOB_MOVES,
        lambda s: Job(id=1, state=s, submitted_at=BY.at),
        _move_job,
    ),
    Noun(
        RunState,
        "state",
        transitions.RUN_MOVES,
        lambda s: Run(id=1, state=s),
        transitions.move_run,
    ),
    Noun(
        StepState,
        "state",
        transitions.STEP_MOVES,
        lambda s: Step(run_id=1, position=0, state=s),
        transitions.move_step,
    ),
    Noun(
        DeviceState,
        "state",
        transitions.DEVICE_MOVES,
        lambda s: Device(name="board", state=s),
        transitions.move_device,
    ),
    Noun(
        DeviceHealth,
        "health",
        transitions.DEVICE_HEALTH_MOVES,
        lambda s: Device(name="board", health=s),
        transitions.set_device_health,
    ),
    Noun(
        HostState,
        "state",
        transitions.HOST_MOVES,
        lambda s: Host(name="rack", state=s),
        transitions.move_host,
    ),
    Noun(
        HostHealth,
        "health",
        transitions.HOST_HEALTH_MOVES,
        lambda s: Host(name="rack", health=s),
        transitions.set_host_health,
    ),
    Noun(
        DeliveryState,
        "state",
        transitions.DELIVERY_MOVES,
        lambda s: Delivery(id=1, state=s),
        transitions.move_delivery,
    ),
)


@st.composite
def walks(draw: st.DrawFn) -> tuple[Noun, StrEnum, list[StrEnum]]:
    """Return a noun, the state it starts in, and the states somebody wants it to go to."""
    noun = draw(st.sampled_from(NOUNS))
    states = st.sampled_from(list(noun.states))
    return noun, draw(states), draw(st.lists(states, max_size=8))


@given(walks())
def test_a_row_moves_only_along_its_table_and_each_move_leaves_one_audit_row(
    walk: tuple[Noun, StrEnum, list[StrEnum]],
) -> None:
    noun, state, wanted = walk
    session = Session()
    row, made = noun.make(state), []
    for to in wanted:
        if to in noun.moves[state]:
            noun.move(session, row, to, BY)
            made.append((state.value, to.value))
            state = to
        else:
            with pytest.raises(ConflictError):
                noun.move(session, row, to, BY)
        assert getattr(row, noun.attribute) is state
    rows = sorted((audit["before"], audit["after"]) for audit in _audits(session))
    assert rows == sorted(made)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: f"{noun.states.__name__}")
def test_every_state_has_its_line_in_the_table(noun: Noun) -> None:
    assert set(noun.moves) == set(noun.states)
    assert all(targets <= set(noun.states) for targets in noun.moves.values())


def test_nothing_leaves_an_end() -> None:
    assert not transitions.JOB_MOVES[JobState.FINISHED]
    assert not transitions.RUN_MOVES[RunState.ENDED]
    assert not transitions.DELIVERY_MOVES[DeliveryState.SENT]


def test_a_job_ends_only_with_an_outcome() -> None:
    with pytest.raises(ConflictError, match="outcome"):
        transitions.move_job(Session(), Job(id=1, state=JobState.RUNNING), JobState.FINISHED, BY)


def test_the_end_of_a_job_keeps_its_error_and_its_times() -> None:
    job = Job(id=1, state=JobState.SUBMITTED, submitted_at=BY.at)
    failure = Failure(type=ErrorType.CANCELED, message="canceled by ann")
    transitions.finish_job(Session(), job, Outcome.CANCELED, failure, by=BY)
    assert (job.outcome, job.error_type) == (Outcome.CANCELED, ErrorType.CANCELED)
    assert job.error_message == "canceled by ann"
    assert job.started_at == job.ended_at == BY.at


def test_an_audit_row_says_who_what_and_why() -> None:
    session = Session()
    device = Device(name="board", health=DeviceHealth.GOOD)
    transitions.set_device_health(session, device, DeviceHealth.MAINTENANCE, BY)
    (row,) = _audits(session)
    assert (row["actor"], row["at"], row["reason"]) == ("ann", BY.at, "because")
    assert (row["subject"], row["subject_id"]) == ("device", "board")
    assert device.health_reason == "because"


def _audits(session: Session) -> list[dict[str, Any]]:
    """Return the rows that the commit would write."""
    return list(session.info.get(transitions.PENDING_AUDIT, []))
