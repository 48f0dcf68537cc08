"""Rights of groups on devices and types: who views, submits and changes, and what follows for jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, NotFoundError
from labq.domain.rights import Right
from labq.domain.states import DeviceHealth, JobState, Outcome
from labq.models.audience import PUBLIC
from labq.models.device import Device
from labq.models.job import Job
from labq.models.user import Membership
from labq.services import (
    audience_moves,
    device_grants,
    device_rights,
    job_list,
    jobs,
    rollups,
    scheduling,
)
from labq.services.device_grants import GroupRight
from labq.services.job_list import JobFilter
from labq.services.transitions import By
from labq.services.visibility import ANONYMOUS, Viewer
from tests.integration.web_site import Person, Site

NOW = datetime.now(UTC)
BY = By("root", NOW)
VIEW, SUBMIT, CHANGE = Right
TEXT = """
job_name: smoke
device_type: shell
visibility: public
timeouts: {job: {minutes: 5}}
actions: []
"""


@pytest.fixture
def lab(site: Site, ann: Person) -> Site:
    """Return a site with two boards of one type, and the group `kernel` that ann is in."""
    site.device("board-1")
    site.device("board-2")
    site.group("kernel", ann)
    return site


def viewer(site: Site, person: Person) -> Viewer:
    with Session(site.engine) as session:
        query = select(Membership.group_id).where(Membership.user_id == person.id)
        groups = tuple(session.scalars(query))
    return Viewer(user_id=person.id, name=person.name, groups=groups)


def give_on_type(site: Site, right: Right, group: str = "kernel", name: str = "shell") -> None:
    with Session(site.engine) as session, session.begin():
        device_grants.give_on_type(session, name, GroupRight(group, right), BY)


def give_on_device(site: Site, right: Right, name: str, group: str = "kernel") -> None:
    with Session(site.engine) as session, session.begin():
        device_grants.give_on_device(session, name, GroupRight(group, right), BY)


def move_jobs(site: Site, device_type: str = "shell") -> int:
    """Do what the task does, and return how many jobs were moved."""
    moved = 0
    with Session(site.engine) as session, session.begin():
        version = audience_moves.find_version(session, device_type)
        assert version is not None
        while some := audience_moves.move(session, device_type, limit=2):
            moved += some
        audience_moves.finish(session, device_type, version)
    return moved


def listed(site: Site, who: Viewer, **wanted: object) -> set[int]:
    with Session(site.engine) as session:
        page = job_list.find_page(session, who, JobFilter(**wanted))  # type: ignore[arg-type]  # the test's own names
    return {job.id for job in page.items}


def submit(site: Site, person: Person, text: str = TEXT) -> int:
    with Session(site.engine) as session, session.begin():
        return jobs.submit(session, text, user=viewer(site, person), now=NOW)


def test_a_hidden_device_is_nowhere_to_be_found(
    lab: Site, ann: Person, bob: Person, admin: Person
) -> None:
    give_on_device(lab, VIEW, "board-2")
    for person, names in ((ann, 2), (bob, 1), (admin, 2), (None, 1)):
        assert len(lab.get("/devices", person).json["items"]) == names
        status = 200 if names == 2 else 404
        assert lab.get("/devices/board-2", person).status_code == status
        assert lab.get("/device-types/shell", person).json["devices"] == names
        assert lab.get("/queue", person).json[0]["devices"] == names
        assert lab.get("/hosts/rack", person).json["devices"] == names
    assert lab.get("/devices/board-2/dictionary", bob).status_code == 404
    assert lab.get("/devices/board-2/rights", bob).status_code == 404


def test_a_hidden_type_is_nowhere_to_be_found(lab: Site, ann: Person, bob: Person) -> None:
    give_on_type(lab, VIEW)
    for person, status, found in ((ann, 200, 1), (bob, 404, 0), (None, 404, 0)):
        assert lab.get("/device-types/shell", person).status_code == status
        assert lab.get("/queue/shell", person).status_code == status
        assert len(lab.get("/device-types", person).json["items"]) == found
        assert len(lab.get("/queue", person).json) == found
        assert lab.get("/devices/board-1", person).status_code == status
        assert lab.client.get("/device-types/shell").status_code == 404
    unknown = lab.get("/device-types/nowhere", bob).json["detail"]
    hidden = lab.get("/device-types/shell", bob).json["detail"]
    assert hidden == unknown.replace("nowhere", "shell")


def test_public_jobs_go_with_the_rights_on_their_device(
    lab: Site, ann: Person, bob: Person
) -> None:
    with Session(lab.engine) as session:
        boards = {row.name: row.id for row in session.execute(select(Device.name, Device.id))}
    shown = [lab.finished_job(bob, boards["board-1"])[0] for _ in range(2)]
    hidden = [lab.finished_job(bob, boards["board-2"])[0] for _ in range(3)]
    private = lab.job(bob, viewing_groups=[], device_id=boards["board-2"])
    waiting = lab.job(bob, tags=["usb"])
    give_on_device(lab, VIEW, "board-2")
    assert move_jobs(lab) == 3
    every = {*shown, *hidden, waiting}
    assert listed(lab, ANONYMOUS) == {*shown, waiting}
    assert listed(lab, viewer(lab, ann)) == every
    assert listed(lab, viewer(lab, bob)) == {*every, private}
    give_on_type(lab, VIEW)
    assert move_jobs(lab) == 3
    assert listed(lab, ANONYMOUS) == set()
    assert listed(lab, viewer(lab, ann)) == every
    assert listed(lab, viewer(lab, ann), tags=("usb",)) == {waiting}
    assert listed(lab, ANONYMOUS, tags=("usb",)) == set()
    assert lab.get(f"/jobs/{hidden[0]}").status_code == 404
    assert lab.get(f"/jobs/{hidden[0]}", ann).json["viewing_groups"] is None
    with Session(lab.engine) as session, session.begin():
        given = GroupRight("kernel", VIEW)
        device_grants.take_from_type(session, "shell", given, BY)
        device_grants.take_from_device(session, "board-2", given, BY)
    move_jobs(lab)
    assert listed(lab, ANONYMOUS) == every


def test_counts_go_with_the_jobs_that_are_moved(lab: Site, bob: Person) -> None:
    with Session(lab.engine) as session:
        board = session.scalars(select(Device.id).order_by(Device.name)).first()
    assert board is not None
    lab.finished_job(bob, board)
    lab.job(bob)
    with Session(lab.engine) as session, session.begin():
        rollups.recount(session)
    give_on_type(lab, VIEW)
    assert move_jobs(lab) == 2
    with Session(lab.engine) as session, session.begin():
        assert rollups.fold(session).rows > 0
    with Session(lab.engine) as session:
        assert rollups.check(session) == []


def test_a_new_job_takes_the_audience_of_its_type(lab: Site, ann: Person) -> None:
    give_on_type(lab, VIEW)
    number = submit(lab, ann)
    assert listed(lab, ANONYMOUS) == set()
    assert listed(lab, viewer(lab, ann)) == {number}
    with Session(lab.engine) as session:
        assert session.get_one(Job, number).audience_id < PUBLIC
    lab.change("DELETE FROM membership")
    assert listed(lab, viewer(lab, ann)) == {number}, "a submitter sees own jobs whatever comes"


def test_a_device_added_later_is_as_restricted_as_its_type(lab: Site, bob: Person) -> None:
    give_on_type(lab, SUBMIT)
    give_on_type(lab, VIEW)
    with Session(lab.engine) as session, session.begin():
        device = Device(name="board-3", device_type="shell")
        device_grants.inherit(session, device)
        like = session.scalars(select(Device).where(Device.name == "board-1")).one()
        found = (device.audience_id, device.submitters)
        assert found == (like.audience_id, like.submitters)
        assert found[0] < PUBLIC
        session.expunge_all()


@pytest.mark.parametrize("is_on_type", [True, False])
def test_only_who_may_submit_is_let_submit_and_scheduled(
    lab: Site, ann: Person, bob: Person, *, is_on_type: bool
) -> None:
    before = submit(lab, bob)
    if is_on_type:
        give_on_type(lab, SUBMIT)
    else:
        give_on_device(lab, SUBMIT, "board-1")
        give_on_device(lab, SUBMIT, "board-2")
    with pytest.raises(InvalidInputError, match="No devices of type shell are currently available"):
        submit(lab, bob)
    after = submit(lab, ann)
    with Session(lab.engine) as session:
        found = scheduling.propose(session, Random(7))
    assert {one.job for one in found} == {after}, f"job {before} is bob's"


def test_a_job_waits_for_a_device_that_its_submitter_may_use(
    lab: Site, ann: Person, bob: Person
) -> None:
    give_on_device(lab, SUBMIT, "board-2")
    numbers = [submit(lab, bob) for _ in range(3)]
    own = submit(lab, ann)
    with Session(lab.engine) as session:
        pairs = {one.job: one.device for one in scheduling.propose(session, Random(7))}
    assert pairs == {numbers[0]: "board-1", own: "board-2"}


def test_a_hidden_type_is_refused_as_one_that_is_not_there(lab: Site, bob: Person) -> None:
    give_on_type(lab, VIEW)
    with pytest.raises(InvalidInputError, match="Device type 'shell' is unavailable"):
        submit(lab, bob)
    with pytest.raises(InvalidInputError, match="Device type 'odd' is unavailable"):
        submit(lab, bob, TEXT.replace("shell", "odd"))


def test_nobody_submits_to_a_retired_device(lab: Site, ann: Person) -> None:
    lab.change("UPDATE device SET health = 'retired'")
    with Session(lab.engine) as session:
        board = session.scalars(select(Device).where(Device.name == "board-1")).one()
        boss = Viewer(user_id=1, is_admin=True)
        assert not device_rights.may_submit(session, boss, board)
    with pytest.raises(InvalidInputError, match="No devices of type shell are available"):
        submit(lab, ann)


def test_who_may_change_a_device_changes_it_and_cancels_jobs_on_it(
    lab: Site, ann: Person, bob: Person
) -> None:
    job = lab.job(bob)
    body = {"health": "maintenance", "reason": "cable"}
    assert lab.send("PATCH", "/devices/board-1", ann, json=body).status_code == 403
    assert lab.send("POST", f"/jobs/{job}/cancel", ann, json={}).status_code == 403
    give_on_type(lab, CHANGE)
    assert lab.send("PATCH", "/devices/board-1", bob, json=body).status_code == 403
    assert lab.send("PATCH", "/devices/board-1", ann, json=body).status_code == 200
    assert lab.send("POST", f"/jobs/{job}/cancel", ann, json={}).status_code < 300
    with Session(lab.engine) as session:
        board = session.scalars(select(Device).where(Device.name == "board-1")).one()
        assert board.health is DeviceHealth.MAINTENANCE
        found = session.get_one(Job, job)
        assert (found.state, found.outcome) == (JobState.FINISHED, Outcome.CANCELED)


def test_the_conditions_on_columns_say_what_the_questions_say(
    lab: Site, ann: Person, bob: Person, admin: Person
) -> None:
    lab.group("lab", bob)
    lab.device("board-3", "uart")
    give_on_type(lab, SUBMIT)
    give_on_device(lab, VIEW, "board-1")
    give_on_device(lab, CHANGE, "board-2", group="lab")
    give_on_type(lab, VIEW, group="lab", name="uart")
    people = [
        ANONYMOUS,
        viewer(lab, ann),
        viewer(lab, bob),
        Viewer(user_id=admin.id, is_admin=True),
    ]
    with Session(lab.engine) as session:
        for who in people:
            visible = set(session.scalars(_names(device_rights.visible_devices(who))))
            usable = set(session.scalars(_names(device_rights.usable_devices(who))))
            for board in session.scalars(select(Device)):
                said = device_rights.may_view(session, who, board)
                assert said == (board.name in visible), (who, board.name)
                said = device_rights.may_submit(session, who, board)
                assert said == (board.name in usable), (who, board.name)


def _names(condition: ColumnElement[bool]) -> Select[str]:
    return select(Device.name).where(condition)


def test_rights_are_given_and_taken_by_admins_with_a_trail(
    lab: Site, ann: Person, admin: Person
) -> None:
    body = {"group": "kernel", "right": "submit", "reason": "theirs"}
    assert lab.send("POST", "/devices/board-1/rights", ann, json=body).status_code == 403
    for path in ("/devices/board-1/rights", "/device-types/shell/rights"):
        answer = lab.send("POST", path, admin, json=body)
        assert answer.status_code == 201, answer.text
        assert [(one["group"], one["right"]) for one in answer.json] == [("kernel", "submit")]
        assert lab.send("DELETE", f"{path}/kernel/submit", admin).status_code == 204
        assert lab.send("DELETE", f"{path}/kernel/submit", admin).status_code == 404
        assert lab.get(path, ann).json == []
    odd = {**body, "group": "nobody"}
    assert lab.send("POST", "/devices/board-1/rights", admin, json=odd).status_code == 404
    with lab.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT subject, subject_id, before, after FROM audit ORDER BY id"
        ).all()
    said = "kernel may submit"
    assert [tuple(row) for row in rows] == [
        ("device", "board-1", "", said),
        ("device", "board-1", said, ""),
        ("device_type", "shell", "", said),
        ("device_type", "shell", said, ""),
    ]


def test_a_version_of_rights_that_is_not_the_newest_ends_no_move(lab: Site) -> None:
    give_on_type(lab, VIEW)
    with Session(lab.engine) as session, session.begin():
        version = audience_moves.find_version(session, "shell")
        assert version == 1
        assert audience_moves.hand_out(session, datetime.now(UTC)) == ["shell"]
        assert audience_moves.hand_out(session, datetime.now(UTC)) == []
    give_on_type(lab, SUBMIT)
    with Session(lab.engine) as session, session.begin():
        audience_moves.finish(session, "shell", version)
        assert audience_moves.find_version(session, "shell") == 2
        audience_moves.finish(session, "shell", 2)
        assert audience_moves.find_version(session, "shell") is None


def test_rights_on_what_is_not_there_are_refused(lab: Site) -> None:
    with Session(lab.engine) as session, pytest.raises(NotFoundError, match="no device 'odd'"):
        device_grants.give_on_device(session, "odd", GroupRight("kernel", VIEW), BY)
