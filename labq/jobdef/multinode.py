"""A multinode definition split into the definitions of its members, one for each role and count.

A member's definition has the form in which LAVA stores it. `group` says what it is in its group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from labq.domain.errors import InvalidInputError, Problem
from labq.jobdef import durations, source
from labq.jobdef.parse import parse_stored, to_json
from labq.jobdef.spec import JobSpec

PROTOCOL = "lava-multinode"
MOST_MEMBERS = 100
_SHARED = (
    "job_name",
    "timeouts",
    "priority",
    "visibility",
    "notify",
    "metadata",
    "secrets",
    "reboot_to_fastboot",
)
_OF_ROLE = ("device_type", "device", "worker", "context", "environment", "tags")
_OF_CONNECTION = ("connection", "host_role")
_IN_PROTOCOL = ("expect_role", "request", "essential")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One job of a group: its definition as stored, and what is scheduled by it.

    A guest has no device of its own: it works on that of the member with `host_role`, once one with
    `start_role` has said so.
    """

    sub_id: int
    role: str
    text: str
    spec: JobSpec
    is_essential: bool = False
    host_role: str | None = None
    start_role: str | None = None

    @property
    def is_guest(self) -> bool:
        """Tell whether it works on the device of another member."""
        return self.host_role is not None


def split(text: str | bytes, name: str) -> list[Member]:
    """Return the members of a definition that `parse_job` has taken; `name` is their group's.

    Raises InvalidInputError for what only the roles together show.
    """
    document = source.read(text)
    job = _mapping(document.value)
    roles = {str(key): _mapping(value) for key, value in _mapping(_protocol(job)["roles"]).items()}
    problems = list(_problems(roles))
    if problems:
        found = [
            document.problem(("protocols", PROTOCOL, "roles", *path), said)
            for path, said in problems
        ]
        raise InvalidInputError(found)
    counts = {role: int(str(value["count"])) for role, value in roles.items()}
    size = sum(counts.values())
    seats = [role for role, count in counts.items() for _ in range(count)]
    return [
        _member(job, roles[role], role=role, group={"name": name, "size": size, "sub_id": place})
        for place, role in enumerate(seats)
    ]


def _problems(roles: Mapping[str, Mapping[str, object]]) -> Iterator[tuple[source.Path, str]]:
    size = 0
    for role, value in roles.items():
        count = value.get("count")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            yield (role,), "needs 'count', a number from 1"
            continue
        size += count
        if "connection" not in value and not isinstance(value.get("device_type"), str):
            yield (role,), "needs the key 'device_type', or a 'connection' to another role"
        if "connection" in value:
            yield from _guest_problems(role, value, roles)
    if not size or size > MOST_MEMBERS:
        yield (), f"has {size} devices; a group may have 1 to {MOST_MEMBERS}"


def _guest_problems(
    role: str, value: Mapping[str, object], roles: Mapping[str, Mapping[str, object]]
) -> Iterator[tuple[source.Path, str]]:
    host = roles.get(str(value.get("host_role")))
    if host is None:
        yield (role,), "a role with a connection needs 'host_role' and 'expect_role'"
    elif "connection" in host:
        yield (role, "host_role"), f"role {value['host_role']!r} has no device itself"
    elif host.get("count") != 1:
        yield (role, "host_role"), f"role {value['host_role']!r} must have 'count: 1'"


def _member(
    job: Mapping[str, object],
    role_data: Mapping[str, object],
    *,
    role: str,
    group: Mapping[str, object],
) -> Member:
    """Return one member; `group` has name, size and place."""
    child: dict[str, object] = {key: job[key] for key in _SHARED if key in job}
    child |= {key: role_data[key] for key in (*_OF_ROLE, *_OF_CONNECTION) if key in role_data}
    child["actions"] = list(_actions(job["actions"], role))
    protocol: dict[str, object] = {
        "target_group": group["name"],
        "role": role,
        "group_size": group["size"],
        "sub_id": group["sub_id"],
    }
    protocol |= {key: role_data[key] for key in _IN_PROTOCOL if key in role_data}
    if "connection" in role_data:
        protocol.setdefault("request", "lava-start")
    timeout = role_data.get("timeout", _protocol(job).get("timeout"))
    if timeout is not None:
        protocol["timeout"] = timeout
    child["protocols"] = {**_other_protocols(job), PROTOCOL: protocol}
    text = yaml.safe_dump(child, default_flow_style=False, allow_unicode=True)
    is_guest = "connection" in role_data
    return Member(
        sub_id=int(str(group["sub_id"])),
        role=role,
        text=text,
        spec=parse_stored(text),
        is_essential=role_data.get("essential") is True,
        host_role=str(role_data["host_role"]) if is_guest else None,
        start_role=str(role_data["expect_role"]) if is_guest else None,
    )


def _other_protocols(job: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in _mapping(job["protocols"]).items() if key != PROTOCOL}


def _actions(actions: object, role: str) -> Iterator[dict[str, object]]:
    """Yield the blocks of a role, each with that role alone."""
    for item in actions if isinstance(actions, list) else ():
        for kind, block in _mapping(item).items():
            roles = _mapping(block).get("role")
            wanted = roles if isinstance(roles, list) else [roles]
            if role in [str(one) for one in wanted]:
                yield {kind: {**_mapping(block), "role": role}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What the definition of a member says of its group: how long it waits for others, and its role."""

    name: str
    role: str
    size: int
    sub_id: int
    timeout: float | None


def seat(spec: JobSpec) -> Seat | None:
    """Return what a stored definition says of its group, None for a job without one."""
    protocol = _mapping(spec.protocols.get(PROTOCOL))
    if not spec.is_member:
        return None
    timeout = protocol.get("timeout")
    return Seat(
        name=str(protocol["target_group"]),
        role=str(protocol["role"]),
        size=int(str(protocol.get("group_size", 1))),
        sub_id=int(str(protocol.get("sub_id", 0))),
        timeout=None if timeout is None else durations.to_seconds(timeout),
    )


def too_few(role: str, wanted: int, found: int, device_type: str) -> Problem:
    """Return what is said of a role for which there are not enough devices."""
    message = f"Not enough devices of type {device_type!r} for role {role!r}: {wanted} wanted, {found} there"
    return Problem(f"protocols.{PROTOCOL}.roles.{role}", message)


def _protocol(job: Mapping[str, object]) -> dict[str, object]:
    return _mapping(_mapping(job.get("protocols")).get(PROTOCOL))


def _mapping(value: object) -> dict[str, object]:
    plain = to_json(value)
    return plain if isinstance(plain, dict) else {}
