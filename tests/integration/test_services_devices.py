"""Devices and hosts: added, changed, taken in and out of use."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError
from labq.domain.states import DeviceHealth, DeviceState, HostHealth
from labq.models.control import Audit
from labq.models.device import Device, DeviceType
from labq.services import devices, hosts
from labq.services.devices import DeviceChange, NewDevice
from labq.services.transitions import By
from tests.integration.conductor_lab import HOST, NOW, SHELL, Lab, eventually

BY = By("root", NOW, "a new cable")


def board(**changes: object) -> NewDevice:
    values = {"name": "b2", "device_type": "shell", "host": HOST, "template": SHELL}
    return NewDevice(**(values | changes))  # type: ignore[arg-type]  # the defaults above fit


def test_a_device_brings_its_type_and_its_shared_resources(lab: Lab) -> None:
    template = SHELL + "{% block power_commands %}{% endblock %}"
    with Session(lab.engine) as session, session.begin():
        devices.add(session, board(tags=("b", "a", "a"), template=template), templates=())
    row = lab.device("b2")
    assert (row.state, row.health, row.tags) == (DeviceState.IDLE, DeviceHealth.UNKNOWN, ["a", "b"])
    with Session(lab.engine) as session:
        assert session.get(DeviceType, "shell")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": "board-1"}, ConflictError),
        ({"name": "../etc"}, InvalidInputError),
        ({"host": "attic"}, NotFoundError),
        ({"template": "{% extends 'gone.jinja2' %}"}, InvalidInputError),
        ({"template": "{{ 1/0 }}"}, InvalidInputError),
        ({"template": "commands: ["}, InvalidInputError),
    ],
)
def test_a_device_that_could_not_work_is_refused(
    lab: Lab, changes: dict[str, object], error: type[Exception]
) -> None:
    with Session(lab.engine) as session, pytest.raises(error):
        devices.add(session, board(**changes), templates=())


def test_templates_of_the_site_are_found(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "mine.jinja2").write_text(SHELL)
    with Session(lab.engine) as session, session.begin():
        mine = board(template="{% extends 'mine.jinja2' %}")
        devices.add(session, mine, templates=[tmp_path])
    assert lab.device("b2").template == "{% extends 'mine.jinja2' %}"


def test_health_is_set_with_its_reason_and_audited(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        devices.set_health(session, "board-1", DeviceHealth.MAINTENANCE, BY)
        devices.set_health(session, "board-1", DeviceHealth.MAINTENANCE, By("root", NOW, "still"))
        with pytest.raises(NotFoundError):
            devices.set_health(session, "attic", DeviceHealth.GOOD, BY)
    row = lab.device()
    assert (row.health, row.health_reason) == (DeviceHealth.MAINTENANCE, "still")
    with Session(lab.engine) as session:
        (audit,) = session.scalars(select(Audit).where(Audit.subject == "device"))
    assert (audit.actor, audit.after, audit.reason) == ("root", "maintenance", "a new cable")


def test_a_device_in_maintenance_gets_no_job_until_it_is_good_again(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        devices.set_health(session, "board-1", DeviceHealth.MAINTENANCE, BY)
    with lab.conducting():
        job = lab.submit()
        assert lab.run_of(job) is None
        with Session(lab.engine) as session, session.begin():
            devices.set_health(session, "board-1", DeviceHealth.GOOD, BY)
        eventually(lambda: lab.sent_run(job), "sending")


def test_a_host_in_maintenance_gets_no_job(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        hosts.set_health(session, HOST, HostHealth.MAINTENANCE, BY)
    with lab.conducting():
        job = lab.submit()
        assert lab.run_of(job) is None
        with Session(lab.engine) as session, session.begin():
            hosts.set_health(session, HOST, HostHealth.ACTIVE, BY)
        eventually(lambda: lab.sent_run(job), "sending")


def test_a_device_is_changed_but_not_moved_while_it_works(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        hosts.add(session, "other")
        change = DeviceChange(description="left shelf", tags=("x",), host="other")
        devices.change(session, "board-1", change, templates=())
    row = lab.device()
    assert (row.description, row.tags, row.host) == ("left shelf", ["x"], "other")
    with Session(lab.engine) as session:
        session.scalars(select(Device)).one().state = DeviceState.RUNNING
        with pytest.raises(ConflictError, match="cannot change its host"):
            devices.change(session, "board-1", DeviceChange(host=HOST), templates=())
        with pytest.raises(InvalidInputError):
            devices.change(session, "board-1", DeviceChange(template="{{"), templates=())


@pytest.mark.parametrize("name", ["", "a.b", "-a", "a" * 64, "a b", HOST])
def test_a_host_needs_a_new_name_that_a_queue_can_have(lab: Lab, name: str) -> None:
    with Session(lab.engine) as session, pytest.raises((InvalidInputError, ConflictError)):
        hosts.add(session, name)
