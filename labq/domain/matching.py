"""Which waiting job gets which free device: a pure function of what is known at one moment.

Jobs of a group get theirs together or not at all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from labq.domain.assignment import assign


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a job asks of a device. `groups` are the submitter's; an admin may use every device.

    `avoid` names devices on which it failed for want of infrastructure, while others would do.
    """

    device_type: str
    tags: frozenset[str] = frozenset()
    device: str | None = None
    host: str | None = None
    groups: frozenset[int] = frozenset()
    is_admin: bool = False
    avoid: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingJob:
    """A job that waits for a device."""

    id: int
    priority: int
    submitted: datetime
    want: Want


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingGroup:
    """Jobs that begin together: its members need a device each.

    A guest, by its job, works on the device of the member whose job is named.
    """

    id: int
    priority: int
    submitted: datetime
    members: tuple[WaitingJob, ...]
    guests: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeDevice:
    """A device that may be reserved. `groups`: whose members may use it, None for everyone.

    `exclusive` names other resources that it needs for itself while it runs a job.
    """

    name: str
    device_type: str
    host: str
    tags: frozenset[str] = frozenset()
    groups: frozenset[int] | None = None
    exclusive: frozenset[str] = frozenset()

    @property
    def resources(self) -> frozenset[str]:
        """Return everything that a run on this device holds."""
        return self.exclusive | {self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """What is taken: resources by name, and how many more runs a limited host takes."""

    resources: frozenset[str] = frozenset()
    room: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pairing:
    """A job, the device that it gets, and the resources to reserve, in the order to take them.

    Those of one `group` stand together; a guest reserves nothing.
    """

    job: int
    device: str
    resources: tuple[str, ...]
    group: int | None = None
    is_guest: bool = False


NOTHING_TAKEN = Occupancy()


def match(
    jobs: Iterable[WaitingJob],
    devices: Sequence[FreeDevice],
    *,
    random: Random,
    taken: Occupancy = NOTHING_TAKEN,
    groups: Iterable[WaitingGroup] = (),
    busy: Sequence[FreeDevice] = (),
) -> list[Pairing]:
    """Return pairs, best job first; no device, resource or place on a host is given twice.

    Jobs and groups go by priority from high to low, then by time of submission, then by id. Devices
    go in random order, those with fewer tags first: they are of less use to other jobs. The cost is
    that of sorting the jobs, and one pass over the devices of a type for each different want.

    A group that has to wait for `busy` devices keeps the free ones that it can use from all that
    come after it: so it gets all of its devices in the end, and no two groups wait for each other.
    One that could not run on all free and busy devices together keeps nothing.
    """
    pool = _Pool(devices, random=random, taken=taken)
    pairings: list[Pairing] = []
    units: list[WaitingJob | WaitingGroup] = [*jobs, *groups]
    for one in sorted(units, key=_rank):
        if isinstance(one, WaitingGroup):
            pairings += _match_group(pool, one, busy)
        elif (device := pool.take(one.want)) is not None:
            pairings.append(_pairing(one.id, device))
    return pairings


def _rank(one: WaitingJob | WaitingGroup) -> tuple[int, datetime, int]:
    return (-one.priority, one.submitted, one.id)


def _match_group(pool: _Pool, group: WaitingGroup, busy: Sequence[FreeDevice]) -> list[Pairing]:
    found = pool.take_all([member.want for member in group.members], busy)
    if found is None:
        return []
    by_job = {member.id: device for member, device in zip(group.members, found, strict=True)}
    own = [_pairing(job, device, group=group.id) for job, device in by_job.items()]
    return own + [
        Pairing(guest, by_job[host].name, (), group=group.id, is_guest=True)
        for guest, host in group.guests.items()
    ]


def _pairing(job: int, device: FreeDevice, *, group: int | None = None) -> Pairing:
    return Pairing(job, device.name, tuple(sorted(device.resources)), group=group)


def can_run(wants: Sequence[Want], devices: Sequence[FreeDevice]) -> bool:
    """Tell whether the jobs of a group could run together, were all these devices free."""
    nodes = _nodes(devices)
    options = [_options(want, devices, nodes) for want in wants]
    return len(assign([list(one) for one in options])) == len(wants)


def _options(
    want: Want, devices: Iterable[FreeDevice], nodes: Mapping[str, str]
) -> dict[str, FreeDevice]:
    """Return the devices that fit, one for each node."""
    found: dict[str, FreeDevice] = {}
    for device in devices:
        if is_fit(want, device):
            found.setdefault(nodes[device.name], device)
    return found


def _nodes(devices: Iterable[FreeDevice]) -> dict[str, str]:
    """Return a name for each device that it shares with all that need the same resources.

    A group never gets two devices with one such name.
    """
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while above.setdefault(name, name) != name:
            name = above[name]
        return name

    listed = list(devices)
    for device in listed:
        for resource in device.exclusive:
            above[top(f"resource {resource}")] = top(device.name)
    return {device.name: top(device.name) for device in listed}


class _Pool:
    """Free devices by type. It only shrinks, so what did not fit a want once never fits it."""

    def __init__(self, devices: Sequence[FreeDevice], *, random: Random, taken: Occupancy) -> None:
        self._by_type: defaultdict[str, list[FreeDevice]] = defaultdict(list)
        self._cursors: defaultdict[Want, int] = defaultdict(int)
        self._resources = set(taken.resources)
        self._room = dict(taken.room)
        self._claimed: set[str] = set()
        shuffled = random.sample(devices, len(devices))
        for device in sorted(shuffled, key=lambda device: len(device.tags)):
            self._by_type[device.device_type].append(device)

    def take(self, want: Want) -> FreeDevice | None:
        """Remove and return the next device that fits, None when there is none."""
        devices = self._by_type.get(want.device_type, [])
        while (position := self._cursors[want]) < len(devices):
            self._cursors[want] = position + 1
            device = devices[position]
            if self._is_free(device) and is_fit(want, device):
                self._occupy(device)
                return device
        return None

    def take_all(
        self, wants: Sequence[Want], busy: Sequence[FreeDevice]
    ) -> list[FreeDevice] | None:
        """Remove and return a device for each want; None when some have to be waited for.

        What the wants can have of the free devices is removed then as well, if all of them could be
        fulfilled once `busy` devices are free.
        """
        types = {want.device_type for want in wants}
        free = [one for kind in types for one in self._by_type.get(kind, []) if self._is_free(one)]
        later = [
            one
            for one in busy
            if one.device_type in types and self._claimed.isdisjoint(one.resources)
        ]
        nodes = _nodes([*free, *later])
        now = [_options(want, free, nodes) for want in wants]
        chosen = assign([list(one) for one in now])
        if len(chosen) < len(wants):
            options = [_options(want, [*free, *later], nodes) for want in wants]
            self._hold_back(options, chosen, {one.name for one in free})
            return None
        found = [now[place][chosen[place]] for place in range(len(wants))]
        return found if self._occupy_all(found) else None

    def _hold_back(
        self,
        options: Sequence[Mapping[str, FreeDevice]],
        chosen: Mapping[int, str],
        free: Set[str],
    ) -> None:
        found = assign([list(one) for one in options], chosen)
        if len(found) < len(options):
            return
        for place, node in found.items():
            device = options[place][node]
            if device.name in free:
                self._occupy(device)
            else:
                # Others that wait for it as well need not keep anything until this group had it.
                self._claimed |= device.resources

    def _occupy_all(self, devices: Sequence[FreeDevice]) -> bool:
        """Occupy devices if their hosts have room for all of them."""
        needed = Counter(device.host for device in devices)
        if any(count > self._room.get(host, count) for host, count in needed.items()):
            return False
        for device in devices:
            self._occupy(device)
        return True

    def _is_free(self, device: FreeDevice) -> bool:
        has_room = self._room.get(device.host, 1) > 0
        return has_room and self._resources.isdisjoint(device.resources)

    def _occupy(self, device: FreeDevice) -> None:
        self._resources |= device.resources
        if device.host in self._room:
            self._room[device.host] -= 1


def explain(want: Want, devices: Iterable[FreeDevice]) -> str | None:
    """Return which constraint leaves no device, None when one fits.

    `devices` are all that could ever be reserved, busy ones too.
    """
    candidates = list(devices)
    for describe, fits in _FITS.items():
        candidates = [device for device in candidates if fits(want, device)]
        if not candidates:
            return _EXPLANATIONS[describe](want)
    return None


def _may_use(want: Want, device: FreeDevice) -> bool:
    return device.groups is None or want.is_admin or not device.groups.isdisjoint(want.groups)


def is_fit(want: Want, device: FreeDevice) -> bool:
    """Tell whether a device is one that the job may have."""
    return all(fits(want, device) for fits in _FITS.values())


_Fit = Callable[[Want, FreeDevice], bool]
_FITS: Mapping[str, _Fit] = {
    "type": lambda want, device: device.device_type == want.device_type,
    "rights": _may_use,
    "host": lambda want, device: want.host in (None, device.host),
    "device": lambda want, device: want.device in (None, device.name),
    "tags": lambda want, device: want.tags <= device.tags,
    "elsewhere": lambda want, device: device.name not in want.avoid,
}
_EXPLANATIONS: Mapping[str, Callable[[Want], str]] = {
    "type": lambda want: f"there is no device of type {want.device_type!r}",
    "rights": lambda want: f"you may not use any device of type {want.device_type!r}",
    "host": lambda want: f"host {want.host!r} has no {want.device_type!r} that you may use",
    "device": lambda want: (
        f"device {want.device!r} is not among those of type {want.device_type!r}"
    ),
    "tags": lambda want: f"no such device has all the tags {', '.join(sorted(want.tags))}",
    "elsewhere": lambda want: f"it is to avoid {', '.join(sorted(want.avoid))}",
}
