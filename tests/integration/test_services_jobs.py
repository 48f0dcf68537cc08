"""Submitting, validating and resubmitting: what exists is checked, the reason for a no is named."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.errors import ForbiddenError, InvalidInputError, NotFoundError
from labq.domain.states import DeviceHealth, JobState
from labq.models.audience import PUBLIC, Audience
from labq.models.job import Job, JobDefinition, JobLabel
from labq.models.user import Group
from labq.services import devices, jobs
from labq.services.jobs import SubmitOptions
from labq.services.transitions import By
from labq.services.visibility import ANONYMOUS, Viewer
from tests.integration.conductor_lab import DEFINITION, NOW, Lab


def test_a_submitted_job_keeps_what_it_asks_for(lab: Lab) -> None:
    text = DEFINITION.replace(
        "priority: medium", "priority: 77\nmetadata: {a: 1}\nnotify: {criteria: {status: all}}"
    )
    job = lab.submit(text)
    row = lab.job(job)
    assert (row.name, row.device_type, row.priority) == ("smoke", "shell", 77)
    assert (row.state, row.audience_id, row.queue_until) == (JobState.SUBMITTED, PUBLIC, None)
    with Session(lab.engine) as session:
        definition = session.get_one(JobDefinition, job)
    assert definition.definition == text
    assert definition.job_metadata == {"a": "1"}
    assert definition.notify == {"criteria": {"status": "all"}}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("device_type: shell", "device_type: toaster", "Device type 'toaster' is unavailable"),
        ("device_type: shell", "device_type: shell\ndevice: attic", "'attic'"),
        ("device_type: shell", "device_type: shell\nworker: attic", "'attic'"),
        ("device_type: shell", "device_type: shell\ntags: [gpu]", "gpu"),
        ("visibility: public", "visibility: {group: [nobody]}", "nobody"),
        ("job_name: smoke", "job_nam: smoke", "job_nam"),
        ("priority: medium", "priority: 101", "priority"),
    ],
)
def test_what_cannot_run_here_is_refused_with_its_reason(
    lab: Lab, old: str, new: str, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        lab.submit(DEFINITION.replace(old, new))
    with Session(lab.engine) as session:
        assert session.scalar(select(func.count()).select_from(Job)) == 0
        with pytest.raises(InvalidInputError, match=message):
            jobs.validate(session, DEFINITION.replace(old, new))


def test_all_problems_are_told_at_once(lab: Lab) -> None:
    text = DEFINITION.replace("device_type: shell", "device_type: shell\ntags: [gpu]")
    text = text.replace("visibility: public", "visibility: {group: [nobody]}")
    with pytest.raises(InvalidInputError) as caught:
        lab.submit(text)
    assert len(caught.value.problems) == 2


def test_a_type_whose_devices_are_all_retired_takes_no_job(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        devices.set_health(session, "board-1", DeviceHealth.RETIRED, By("ann", NOW, "old"))
    with pytest.raises(InvalidInputError, match="No devices of type shell are available"):
        lab.submit()


def test_a_busy_or_broken_device_is_enough_to_wait_for(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        devices.set_health(session, "board-1", DeviceHealth.MAINTENANCE, By("ann", NOW, "cable"))
    assert lab.submit()


@pytest.mark.parametrize(
    "text", [b"\xff\xfe", b"", b"- a\n- b\n", b"a: *b", b"x" * 2_000_000, b"job_name: \0"]
)
def test_what_is_no_definition_is_refused(lab: Lab, text: bytes) -> None:
    with Session(lab.engine) as session, pytest.raises(InvalidInputError):
        jobs.submit(session, text, user=lab.user, now=NOW)


def _audience(lab: Lab, job: int) -> tuple[list[int], int | None]:
    with Session(lab.engine) as session:
        audience = session.get_one(Audience, lab.job(job).audience_id)
        return audience.groups, audience.owner_id


def test_tags_and_small_metadata_become_labels(lab: Lab) -> None:
    metadata = f"metadata: {{build: [7, x], deep: {{a: b}}, long: {'y' * 201}, none: ''}}"
    job = lab.submit(DEFINITION.replace("priority: medium", f"priority: 77\n{metadata}"))
    with Session(lab.engine) as session:
        found = session.execute(
            select(JobLabel.name, JobLabel.value, JobLabel.audience_id).where(
                JobLabel.job_id == job
            )
        ).all()
    assert set(found) == {("meta.build", "7", PUBLIC), ("meta.build", "x", PUBLIC)}


def test_visibility_becomes_the_groups_that_see_the_job(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        group = Group(name="kernel")
        session.add(group)
        session.flush()
        number = group.id
    listed = lab.submit(DEFINITION.replace("public", "{group: [kernel, unknown]}"))
    personal = lab.submit(DEFINITION.replace("public", "personal"))
    again = lab.submit(DEFINITION.replace("public", "{group: [kernel]}"))
    assert _audience(lab, listed) == ([number], None)
    assert _audience(lab, personal) == ([], lab.user.user_id)
    assert lab.job(again).audience_id == lab.job(listed).audience_id


def test_options_stand_over_the_definition(lab: Lab) -> None:
    options = SubmitOptions(priority=3, queue_seconds=60)
    with Session(lab.engine) as session, session.begin():
        job = jobs.submit(session, DEFINITION, user=lab.user, now=NOW, options=options)
        wrong = SubmitOptions(priority=300)
        with pytest.raises(InvalidInputError, match="priority"):
            jobs.submit(session, DEFINITION, user=lab.user, now=NOW, options=wrong)
    row = lab.job(job)
    assert row.priority == 3
    assert (row.queue_until - row.submitted_at).total_seconds() == 60


def test_nobody_submits_without_logging_in(lab: Lab) -> None:
    with Session(lab.engine) as session, pytest.raises(ForbiddenError):
        jobs.submit(session, DEFINITION, user=ANONYMOUS, now=NOW)


def test_a_job_is_submitted_again_with_its_text(lab: Lab) -> None:
    first = lab.submit(DEFINITION + "# kept\n")
    hidden = lab.submit(DEFINITION.replace("public", "personal"))
    stranger = Viewer(user_id=lab.user.user_id, name="bob")
    with Session(lab.engine) as session, session.begin():
        again = jobs.resubmit(session, first, user=stranger, now=datetime.now(UTC))
        other = Viewer(user_id=999, name="eve")
        with pytest.raises(NotFoundError):
            jobs.resubmit(session, hidden, user=other, now=NOW)
        with pytest.raises(NotFoundError):
            jobs.resubmit(session, 12345, user=stranger, now=NOW)
    assert lab.job(again).resubmit_of == first
    with Session(lab.engine) as session:
        assert session.get_one(JobDefinition, again).definition.endswith("# kept\n")
