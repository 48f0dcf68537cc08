"""Who and what there is in the lab: people, groups, audiences, types, hosts, devices. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from random import Random

from labq.fill import words
from labq.fill.chance import Weighted, source, spread, zipf
from labq.fill.profile import Profile

ADMIN, ORDINARY, CHECKER = 0, 1, 2
"""Users that every filled database has, by index: their names are those below."""
NAMED_USERS = ("fill-admin", "fill-user", "lab-health")
PUBLIC, PERSONAL = 0, 1
"""Audiences by index: everybody, and the submitter alone; those after them are sets of groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeOfDevice:
    """A device type; `family` says how its boards boot, `first` and `count` which devices it has."""

    name: str
    family: str
    arch: str
    first: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A device; `kind` and `host` are indices."""

    name: str
    kind: int
    host: int
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everybody and everything; ids in the database are the indices here and a base.

    `audiences` are ascending tuples of indices of groups; the first two have none.
    """

    types: tuple[TypeOfDevice, ...]
    boards: tuple[Board, ...]
    hosts: tuple[str, ...]
    users: tuple[str, ...]
    groups: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    audiences: tuple[tuple[int, ...], ...]


def assemble(profile: Profile, seed: int, prefix: str = "") -> Cast:
    """Return the cast of a lab; `prefix` keeps its names from those of others in the database."""
    types = _types(profile)
    hosts = _hosts(profile, prefix)
    groups = tuple(f"{prefix}{name}" for name in _numbered(words.TEAMS, profile.groups))
    return Cast(
        types=types,
        boards=_boards(profile, seed, types, prefix),
        hosts=hosts,
        users=tuple(f"{prefix}{name}" for name in _people(profile.users)),
        groups=groups,
        members=_members(profile, source(seed, "members")),
        audiences=_audiences(profile, source(seed, "audiences")),
    )


def _types(profile: Profile) -> tuple[TypeOfDevice, ...]:
    """Return the types, the most wanted one first; it has the most devices, but all have one."""
    more = spread(
        profile.devices - profile.device_types, zipf(profile.device_types, profile.zipf * 0.7)
    )
    found = []
    first = 0
    for index, extra in enumerate(more):
        name, family, arch = words.BOARDS[index * 7 % len(words.BOARDS)]
        generation = index // len(words.BOARDS)
        found.append(
            TypeOfDevice(
                name=f"{name}-v{generation + 1}" if generation else name,
                family=family,
                arch=arch,
                first=first,
                count=extra + 1,
            )
        )
        first += extra + 1
    return tuple(found)


def _hosts(profile: Profile, prefix: str) -> tuple[str, ...]:
    sites = words.SITES
    return tuple(
        f"{prefix}{sites[index % len(sites)]}-rack-{index // len(sites) + 1:02}"
        for index in range(profile.hosts)
    )


def _boards(
    profile: Profile, seed: int, types: tuple[TypeOfDevice, ...], prefix: str
) -> tuple[Board, ...]:
    """Return the devices, those of a type beside each other; a host has some of several types."""
    random = source(seed, "boards")
    return tuple(
        Board(
            name=f"{prefix}{kind.name}-{number + 1:03}",
            kind=index,
            host=(kind.first + number) % profile.hosts,
            tags=tuple(sorted(tag for tag in words.TAGS if random.random() < 0.15)),
        )
        for index, kind in enumerate(types)
        for number in range(kind.count)
    )


def _people(count: int) -> list[str]:
    names = (f"{first}.{last}" for last in words.LAST for first in words.FIRST)
    first = list(chain(NAMED_USERS, words.BOTS))
    return (first + _numbered(list(names), max(0, count - len(first))))[:count]


def _numbered(names: list[str], count: int) -> list[str]:
    """Return `count` different names: the given ones, then with numbers."""
    return [
        names[at] if at < len(names) else f"{names[at % len(names)]}-{at // len(names) + 1}"
        for at in range(count)
    ]


def _members(profile: Profile, random: Random) -> tuple[tuple[int, ...], ...]:
    """Return the groups of each user; the ordinary user has as many as the profile says."""
    found = []
    for user in range(profile.users):
        if user == ORDINARY:
            wanted = profile.memberships
        else:
            wanted = min(profile.groups, int(random.expovariate(1 / 4)))
        found.append(tuple(sorted(random.sample(range(profile.groups), wanted))))
    return tuple(found)


def _audiences(profile: Profile, random: Random) -> tuple[tuple[int, ...], ...]:
    """Return different sets of groups: each group alone first, then some together."""
    found: dict[tuple[int, ...], None] = {}
    alone = min(profile.groups, max(1, profile.audiences * 2 // 3))
    for group in random.sample(range(profile.groups), alone):
        found[group,] = None
    popular = Weighted(zipf(profile.groups, 0.5))
    for _ in range(profile.audiences * 20):
        if len(found) >= profile.audiences or profile.groups < 2:
            break
        chosen = {popular.draw(random) for _ in range(random.choice((2, 2, 2, 3)))}
        found[tuple(sorted(chosen))] = None
    return ((), (), *list(found)[: profile.audiences])
