"""Devices that move to another host: at once, when their run is over, and never to two hosts."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from labq.conductor.planning import Planner
from labq.domain.errors import ConflictError, NotFoundError
from labq.domain.orders import RunOrder
from labq.domain.states import DeviceState, HostHealth, HostState
from labq.models.device import Device
from labq.models.host import Host
from labq.services import devices, hosts, reservations, scheduling
from labq.services.devices import DeviceChange
from labq.streams import ORDER_FIELD, load_order, orders_stream
from tests.integration.conductor_lab import HOST, Lab, eventually, whole_run
from tests.integration.web_site import Person, Site

SHELF = "shelf"


@pytest.fixture
def two(lab: Lab) -> Lab:
    """Return a server with a second host that is online."""
    with Session(lab.engine) as session, session.begin():
        hosts.add(session, SHELF)
        shelf = session.get_one(Host, SHELF)
        shelf.state, shelf.health = HostState.ONLINE, HostHealth.ACTIVE
        shelf.reported_at = datetime.now(UTC)
    return lab


def _move(lab: Lab, host: str, *, when_idle: bool = False) -> Device:
    with Session(lab.engine) as session, session.begin():
        change = DeviceChange(host=host, when_idle=when_idle)
        devices.change(session, "board-1", change, templates=())
    return lab.device()


def _runs_ordered(lab: Lab, host: str) -> set[int]:
    entries = lab.client.xrange(orders_stream(host))
    orders = [load_order(fields[ORDER_FIELD.encode()]) for _, fields in entries]
    return {order.run for order in orders if isinstance(order, RunOrder)}


def test_a_device_that_works_moves_when_its_run_is_over_and_the_next_run_is_there(
    two: Lab,
) -> None:
    with two.conducting():
        first, second = two.submit(), two.submit()
        run = eventually(lambda: two.sent_run(first), "sending")
        with pytest.raises(ConflictError, match=r"on host rack.*when_idle"):
            _move(two, SHELF)
        row = _move(two, SHELF, when_idle=True)
        assert (row.host, row.next_host) == (HOST, SHELF)
        two.send(*whole_run(run.id))
        later = eventually(lambda: two.sent_run(second), "the second run")
    row = two.device()
    assert (row.host, row.next_host) == (SHELF, None)
    assert (run.host, later.host) == (HOST, SHELF)
    assert _runs_ordered(two, HOST) == {run.id}
    assert _runs_ordered(two, SHELF) == {later.id}


def test_a_move_that_waits_is_taken_back_by_naming_the_present_host(two: Lab) -> None:
    with two.conducting():
        job = two.submit()
        run = eventually(lambda: two.sent_run(job), "sending")
        _move(two, SHELF, when_idle=True)
        assert _move(two, HOST).next_host is None
        two.send(*whole_run(run.id))
        eventually(lambda: two.is_finished(job), "the end")
    assert two.device().host == HOST


def test_an_idle_device_moves_at_once(two: Lab) -> None:
    row = _move(two, SHELF, when_idle=True)
    assert (row.host, row.next_host, row.state) == (SHELF, None, DeviceState.IDLE)
    with pytest.raises(NotFoundError):
        _move(two, "attic")


def test_a_plan_for_the_host_before_the_move_is_not_used(two: Lab) -> None:
    two.submit()
    with Session(two.engine) as session:
        proposals = scheduling.propose(session, random.SystemRandom())
    planned, _ = Planner((), {}).plan(proposals)
    _move(two, SHELF)
    with Session(two.engine) as session, session.begin():
        assert reservations.reserve(session, planned, datetime.now(UTC)) == []
    assert two.device().state is DeviceState.IDLE


def test_two_hosts_cannot_have_one_device(site: Site, admin: Person) -> None:
    site.device()
    site.add(Host(name=SHELF, state=HostState.ONLINE, health=HostHealth.ACTIVE))
    body = {
        "name": "board-1",
        "device_type": "shell",
        "host": SHELF,
        "template": "{% extends 'shell.jinja2' %}",
    }
    refused = site.send("POST", "/devices", admin, json=body)
    assert refused.status_code == 409
    assert "board-1" in refused.json["detail"]
    assert site.get("/devices/board-1").json["device"]["host"] == "rack"


def test_an_admin_moves_a_device_by_api_and_page(site: Site, admin: Person, ann: Person) -> None:
    site.device()
    site.add(Host(name=SHELF, state=HostState.ONLINE, health=HostHealth.ACTIVE))
    body = {"host": SHELF}
    assert site.send("PATCH", "/devices/board-1", ann, json=body).status_code == 403
    moved = site.send("PATCH", "/devices/board-1", admin, json=body)
    assert moved.json["device"]["host"] == SHELF
    site.change("UPDATE device SET state = 'running'")
    refused = site.send("PATCH", "/devices/board-1", admin, json={"host": "rack"})
    assert refused.status_code == 409
    later = {"host": "rack", "when_idle": True}
    waits = site.send("PATCH", "/devices/board-1", admin, json=later)
    assert (waits.json["device"]["host"], waits.json["device"]["next_host"]) == (SHELF, "rack")
    page = site.client.get("/devices/board-1", headers=admin.headers).text
    assert "It moves to rack once its run is over" in page
    assert 'action="/devices/board-1/host"' not in site.client.get("/devices/board-1").text
    with site.engine.begin() as connection:
        row = connection.execute(text("SELECT host, next_host FROM device")).one()
    assert tuple(row) == (SHELF, "rack")
