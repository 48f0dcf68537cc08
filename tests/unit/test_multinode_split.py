"""A multinode definition becomes one definition for each member, as LAVA stores them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from labq.domain.errors import InvalidInputError
from labq.jobdef.multinode import PROTOCOL, Member, seat, split
from labq.jobdef.parse import parse_job, parse_stored

ACTIONS = [
    {"deploy": {"to": "tmpfs", "role": ["server", "client"], "images": {"a": {"url": "http://a"}}}},
    {"boot": {"method": "qemu", "role": "server"}},
    {"test": {"role": ["client"], "interactive": []}},
]
ROLES: dict[str, dict[str, Any]] = {
    "server": {
        "device_type": "qemu",
        "count": 1,
        "context": {"arch": "amd64"},
        "tags": ["fast"],
        "essential": True,
        "timeout": {"minutes": 3},
    },
    "client": {"device_type": "other", "count": 2, "environment": {"A": "b"}, "worker": "host-1"},
}


def text(roles: dict[str, Any] | None = None, **keys: Any) -> str:
    job = {
        "job_name": "pair",
        "timeouts": {"job": {"minutes": 5}, "queue": {"hours": 1}},
        "visibility": "public",
        "priority": 70,
        "metadata": {"build": 17},
        "secrets": {"TOKEN": "s3cret"},
        "notify": {"criteria": {"status": "finished"}},
        "protocols": {PROTOCOL: {"roles": roles or ROLES, "timeout": {"minutes": 6}}},
        "actions": ACTIONS,
        **keys,
    }
    return yaml.safe_dump(job, sort_keys=False)


def members(roles: dict[str, Any] | None = None) -> list[Member]:
    parse_job(text(roles))
    return split(text(roles), "the-group")


def test_there_is_a_member_for_each_role_and_count_numbered_in_order() -> None:
    found = members()
    assert [(one.sub_id, one.role) for one in found] == [
        (0, "server"),
        (1, "client"),
        (2, "client"),
    ]
    assert [one.spec.device_type for one in found] == ["qemu", "other", "other"]


def test_a_member_has_what_all_share_and_what_its_role_says() -> None:
    server, client, _ = members()
    for one in (server, client):
        assert (one.spec.name, one.spec.priority, one.spec.timeouts.queue) == ("pair", 70, 3600.0)
        assert one.spec.metadata == {"build": "17"}
        assert one.spec.secrets == {"TOKEN": "s3cret"}
        assert one.spec.notify["criteria"] == {"status": "finished"}
    assert (server.spec.context, server.spec.tags) == ({"arch": "amd64"}, ("fast",))
    assert (client.spec.environment, client.spec.worker) == ({"A": "b"}, "host-1")
    assert (server.is_essential, client.is_essential) == (True, False)


def test_a_member_has_only_the_actions_of_its_role_with_that_role_alone() -> None:
    server, client, _ = members()
    assert [block.kind for block in server.spec.actions] == ["deploy", "boot"]
    assert [block.kind for block in client.spec.actions] == ["deploy", "test"]
    assert all(block.parameters["role"] == "server" for block in server.spec.actions)
    assert all(block.parameters["role"] == "client" for block in client.spec.actions)


def test_a_stored_member_says_what_it_is_in_its_group() -> None:
    server, client, last = members()
    protocol = yaml.safe_load(server.text)["protocols"][PROTOCOL]
    assert protocol["target_group"] == "the-group"
    assert (protocol["role"], protocol["group_size"], protocol["sub_id"]) == ("server", 3, 0)
    said = [seat(parse_stored(one.text)) for one in (server, client, last)]
    assert [one and one.timeout for one in said] == [180.0, 360.0, 360.0]
    assert [one and one.sub_id for one in said] == [0, 1, 2]
    assert parse_stored(server.text) == server.spec
    assert server.spec.is_member
    assert not server.spec.is_multinode


def test_a_connection_role_is_a_guest_on_its_host() -> None:
    guest = {"connection": "ssh", "count": 2, "host_role": "server", "expect_role": "server"}
    found = members({"server": ROLES["server"], "client": guest})
    assert [one.is_guest for one in found] == [False, True, True]
    assert (found[1].host_role, found[1].start_role) == ("server", "server")
    stored = yaml.safe_load(found[1].text)
    assert (stored["connection"], stored["host_role"]) == ("ssh", "server")
    assert stored["protocols"][PROTOCOL]["request"] == "lava-start"
    assert stored["protocols"][PROTOCOL]["expect_role"] == "server"


def test_what_is_no_multinode_job_has_no_seat() -> None:
    plain = yaml.safe_load(text())
    del plain["protocols"]
    spec = parse_job(yaml.safe_dump({**plain, "device_type": "qemu"}))
    assert seat(spec) is None


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"count": 0}, "client", "'count', a number from 1"),
        ({"count": "2"}, "client", "'count', a number from 1"),
        ({"count": 100}, "roles", "1 to 100"),
        ({"device_type": None}, "client", "'device_type', or a 'connection'"),
        ({"connection": "ssh"}, "client", "'host_role' and 'expect_role'"),
    ],
)
def test_roles_that_cannot_be_are_named_with_their_place(
    change: dict[str, Any], place: str, words: str
) -> None:
    client = {
        key: value for key, value in {**ROLES["client"], **change}.items() if value is not None
    }
    with pytest.raises(InvalidInputError, match=words) as caught:
        split(text({"server": ROLES["server"], "client": client}), "the-group")
    problem = caught.value.problems[0]
    assert place in problem.path
    assert problem.line


def test_a_guest_needs_a_host_with_one_device() -> None:
    guest = {"connection": "ssh", "count": 1, "host_role": "server", "expect_role": "server"}
    with pytest.raises(InvalidInputError, match="must have 'count: 1'"):
        split(text({"server": {**ROLES["server"], "count": 2}, "client": guest}), "the-group")
    with pytest.raises(InvalidInputError, match="has no device itself"):
        split(text({"server": guest, "client": guest}), "the-group")
