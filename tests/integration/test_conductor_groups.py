"""Groups of jobs as the conductor leads them, with a host played by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.events import HoldState, MessageSent, RunReport
from labq.domain.orders import GroupMail, GroupOrder
from labq.domain.states import DeviceState, JobState, Outcome
from labq.models.control import RejectedEvent
from labq.models.device import Device, Reservation
from labq.models.job_group import GroupMember, GroupMessage, JobGroup
from labq.models.run import Run
from labq.plans import load_plan
from labq.services import job_groups, job_ids, jobs
from tests.integration.conductor_lab import (
    BOOT,
    DEFINITION,
    NOW,
    TEST,
    Lab,
    began,
    ended,
    eventually,
    whole_run,
)
from tests.lab.groups import group, role

PAIR = {"one": role(), "two": role()}
STEPS = {"one": ["lava-sync met"], "two": ["lava-sync met"]}


@pytest.fixture
def pair(bare_lab: Lab) -> Lab:
    """Return a server with two boards on one host."""
    bare_lab.prepare(boards=2)
    bare_lab.online()
    return bare_lab


def runs(lab: Lab, first: int, count: int = 2) -> list[Run]:
    """Return the runs of a group's members once all are sent."""

    def all_sent() -> list[Run] | None:
        found = [lab.sent_run(first + place) for place in range(count)]
        return [run for run in found if run] if all(found) else None

    return eventually(all_sent, "all members are sent")


def mail(lab: Lab) -> list[GroupMail]:
    """Return what the host was told of groups, in order."""
    orders = [order for order in lab.orders() if isinstance(order, GroupOrder)]
    return [message for order in orders for message in order.messages]


def message(run: int, name: str, offset: int, epoch: int = 1, **data: str) -> MessageSent:
    return MessageSent(
        run=run, epoch=epoch, step=TEST, at=NOW, offset=offset, sort="send", name=name, data=data
    )


def shown(run: Run, heard: int) -> RunReport:
    return RunReport(run=run.id, epoch=1, next=TEST, state=HoldState.HELD, heard=heard)


def numbers(mails: Iterable[GroupMail]) -> list[int]:
    return [one.number for one in mails]


def test_members_begin_together_and_are_told_when_all_have_begun(pair: Lab) -> None:
    first = pair.submit(group(PAIR, STEPS))
    with pair.conducting():
        one, two = runs(pair, first)
        plan = load_plan(pair.run_orders(one.id)[0].plan or "")
        assert plan.seat is not None
        assert plan.seat.roles == ((f"{first}.0", "one"), (f"{first}.1", "two"))
        assert (plan.seat.member, plan.seat.timeout) == (f"{first}.0", 60.0)
        pair.send(began(one.id, BOOT))
        eventually(lambda: pair.job(first).state is JobState.RUNNING)
        assert mail(pair) == []
        pair.send(began(two.id, BOOT))
        eventually(lambda: mail(pair))
        assert [(one.number, one.sort) for one in mail(pair)] == [(1, "begun")]
    assert one.reserved_at == two.reserved_at


def test_a_group_waits_for_all_its_devices_and_holds_none_of_them(pair: Lab) -> None:
    with Session(pair.engine) as session, session.begin():
        session.scalars(
            select(Device).where(Device.name == "board-1")
        ).one().state = DeviceState.RESERVED
    first = pair.submit(group(PAIR, STEPS))
    single = pair.submit()
    with pair.conducting():
        urgent = pair.submit(DEFINITION.replace("priority: medium", "priority: high"))
        eventually(lambda: pair.sent_run(urgent), "what goes before the group has the free board")
    assert [pair.job(job).state for job in (first, first + 1, single)] == [JobState.SUBMITTED] * 3
    with Session(pair.engine) as session:
        assert session.scalar(select(func.count()).select_from(Reservation)) == 1


def test_a_message_is_stored_once_and_brought_to_the_hosts_of_the_group(pair: Lab) -> None:
    first = pair.submit(group(PAIR, STEPS))
    with pair.conducting():
        one, two = runs(pair, first)
        pair.send(began(one.id, BOOT), began(two.id, BOOT), ended(two.id, BOOT, TEST))
        pair.send(began(two.id, TEST), message(two.id, "ready", 9, ip="10.0.0.1"))
        eventually(lambda: len(mail(pair)) == 2)
        found = mail(pair)[1]
        assert (found.number, found.sort, found.name) == (2, "send", "ready")
        assert (found.sender, found.data) == (f"{first}.1", {"ip": "10.0.0.1"})
        pair.send(message(two.id, "ready", 9, ip="10.0.0.1"), first=pair.sequence)
        pair.send(message(one.id, "late", 12))
        eventually(lambda: len(mail(pair)) == 3)
    with Session(pair.engine) as session:
        names = session.scalars(select(GroupMessage.name).order_by(GroupMessage.number)).all()
    assert names == ["", "ready", "late"]


def test_what_a_run_has_not_heard_is_told_again_by_the_next_conductor(pair: Lab) -> None:
    first = pair.submit(group(PAIR, STEPS))
    with pair.conducting():
        one, two = runs(pair, first)
        pair.send(began(one.id, BOOT), began(two.id, BOOT), message(two.id, "ready", 9))
        eventually(lambda: len(mail(pair)) == 2)
    pair.client.delete("rack.orders")
    with pair.conducting():
        eventually(pair.generation, "the generation")
        told: list[GroupMail] = []

        def ask() -> bool:
            pair.report(shown(one, 2), shown(two, 1))
            told[:] = mail(pair)
            return bool(told)

        eventually(ask, "the message is told again")
        assert numbers(told)[0] == 2


def test_a_message_of_a_job_without_a_group_is_set_aside(pair: Lab) -> None:
    job = pair.submit()
    with pair.conducting():
        run = eventually(lambda: pair.sent_run(job))
        pair.send(began(run.id, BOOT), message(run.id, "ready", 9), ended(run.id, BOOT, TEST))
        eventually(lambda: pair.step(run.id, BOOT).ended_at, "the rest is applied")
    with Session(pair.engine) as session:
        assert "is in no group" in session.scalars(select(RejectedEvent.reason)).one()


def test_a_guest_works_on_the_device_of_its_host_which_it_neither_takes_nor_frees(
    pair: Lab,
) -> None:
    guest = {"connection": "ssh", "count": 1, "host_role": "one", "expect_role": "one"}
    first = pair.submit(group({"one": role(), "guest": guest}, {**STEPS, "guest": ["true"]}))
    with pair.conducting():
        host, visitor = runs(pair, first)
        assert (host.is_guest, visitor.is_guest) == (False, True)
        assert host.device_id == visitor.device_id
        plan = load_plan(pair.run_orders(visitor.id)[0].plan or "")
        assert plan.seat is not None
        assert (plan.seat.start_role, plan.locks) == ("one", ())
        assert plan.device == f"board-1-guest-{visitor.id}".replace("1-guest", _number(pair, host))
        pair.send(*whole_run(visitor.id))
        eventually(lambda: pair.is_finished(first + 1), "the guest's end")
        assert _device(pair, host).state is DeviceState.RESERVED
        pair.send(*whole_run(host.id))
        eventually(lambda: pair.is_finished(first), "the host's end")
        assert _device(pair, host).state is DeviceState.IDLE
    assert pair.job(first + 1).device_id is None


def test_when_a_member_cannot_run_the_others_are_canceled(pair: Lab) -> None:
    text = group(PAIR, STEPS).replace("method: minimal", "method: depthcharge\n    commands: x")
    first = pair.submit(text)
    with pair.conducting():
        eventually(lambda: pair.is_finished(first) and pair.is_finished(first + 1), "both ends")
    outcomes = {pair.job(first).outcome, pair.job(first + 1).outcome}
    assert outcomes <= {Outcome.INCOMPLETE, Outcome.CANCELED}
    assert Outcome.INCOMPLETE in outcomes


def test_ids_of_members_are_found_and_shown(pair: Lab) -> None:
    first = pair.submit(group(PAIR, STEPS))
    single = pair.submit()
    with Session(pair.engine) as session:
        assert job_ids.submitted(session, first) == [f"{first}.0", f"{first}.1"]
        assert job_ids.submitted(session, single) == single
        assert job_ids.find(session, f"{first}.1") == first + 1
        assert job_ids.find(session, str(first)) == job_ids.find(session, first) == first
        for wrong in (f"{first}.2", f"{first + 1}.0", "1.", "x", "99999999999999999999", True, -1):
            assert job_ids.find(session, wrong) is None
        assert job_groups.find_by_role(session, first, "two") == first + 1


def test_with_a_member_its_whole_group_is_canceled_and_sent_again(pair: Lab) -> None:
    first = pair.submit(group(PAIR, STEPS, priority=70))
    pair.cancel(first + 1)
    assert {pair.job(first + place).outcome for place in (0, 1)} == {Outcome.CANCELED}
    with Session(pair.engine) as session, session.begin():
        again = jobs.resubmit(session, first + 1, user=pair.user, now=NOW)
    assert [pair.job(again + place).priority for place in (0, 1)] == [70, 70]
    with Session(pair.engine) as session:
        members = session.scalars(select(GroupMember.role).where(GroupMember.group_id == again))
        assert sorted(members) == ["one", "two"]
        names = session.scalars(select(JobGroup.name)).all()
    assert len(set(names)) == 2


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ({"one": role(3)}, "Not enough devices of type shell"),
        ({"one": role(2), "two": role()}, "all roles together have not"),
        ({"one": role(tags=["none"])}, "all of the tags 'none'"),
        ({"one": {**role(), "device_type": "unknown"}}, "'unknown' is unavailable"),
    ],
)
def test_a_group_that_could_never_run_is_refused(
    pair: Lab, roles: dict[str, Any], words: str
) -> None:
    with pytest.raises(Exception, match=words):
        pair.submit(group(roles, {name: ["true"] for name in roles}))


def _device(lab: Lab, run: Run) -> Device:
    with Session(lab.engine) as session:
        return session.get_one(Device, run.device_id)


def _number(lab: Lab, run: Run) -> str:
    return f"{_device(lab, run).name.removeprefix('board-')}-guest"
