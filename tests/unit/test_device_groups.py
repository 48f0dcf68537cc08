"""Groups of virtual devices: networks of their own, the same addresses inside."""

from __future__ import annotations

import pytest

from labq.cli.device.group.members import KINDS, Member, find
from labq.jobdef.device import check_device, render_device
from labq.jobdef.templates import Library


def rendered(member: Member) -> str:
    found = render_device(
        member.template(),
        name=member.name,
        device_type=member.kind,
        context={},
        library=Library(()),
    )
    return str(found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_device_of_a_member_is_sound(kind: str) -> None:
    member = Member("east", "local", kind, 3)
    found = check_device(member.template(), name=member.name, device_type=kind, library=Library(()))
    assert not found.errors
    assert "52:54:00:00:02:03" in rendered(member)
    assert "192.0.2.3" in rendered(member)


@pytest.mark.parametrize("kind", KINDS)
def test_groups_differ_in_nothing_but_their_network(kind: str) -> None:
    east, west = (Member(name, "local", kind, 1).template() for name in ("east", "west"))
    differing = [
        (one, other)
        for one, other in zip(east.splitlines(), west.splitlines(), strict=True)
        if one != other
    ]
    assert ["group_network" in one or "static_info" in one for one, _ in differing] == [True, True]
    assert Member("east", "local", kind, 2).template().splitlines()[1] == east.splitlines()[1]
    assert Member("east", "far", kind, 1).template().splitlines()[1] != east.splitlines()[1]


def test_members_are_found_by_what_is_said_of_them() -> None:
    members = [
        {**Member(group, "local", "qemu", place).body(), "health": health}
        for group, place, health in (("a", 1, "good"), ("a", 2, "retired"), ("b", 1, "bad"))
    ]
    others = [{"description": "device group", "health": "good", "name": "x"}]
    assert [one["name"] for one in find([*members, *others])] == ["a-1", "b-1"]
    assert [one["name"] for one in find([*members, *others], "a")] == ["a-1"]
