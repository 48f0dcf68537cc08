"""Which waiting job gets which free device: a pure function of what is known at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random


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
    """A job, the device that it gets, and the resources to reserve, in the order to take them."""

    job: int
    device: str
    resources: tuple[str, ...]


NOTHING_TAKEN = Occupancy()


def match(
    jobs: Iterable[WaitingJob],
    devices: Sequence[FreeDevice],
    *,
    random: Random,
    taken: Occupancy = NOTHING_TAKEN,
) -> list[Pairing]:
    """Return pairs, best job first; no device, resource or place on a host is given twice.

    Jobs go by priority from high to low, then by time of submission, then by id. Devices go in
    random order, those with fewer tags first: they are of less use to other jobs. The cost is that
    of sorting the jobs, and one pass over the devices of a type for each different want.
    """
    pool = _Pool(devices, random=random, taken=taken)
    pairings = []
    for job in sorted(jobs, key=_rank):
        device = pool.take(job.want)
        if device is not None:
            pairings.append(Pairing(job.id, device.name, tuple(sorted(device.resources))))
    return pairings


def _rank(job: WaitingJob) -> tuple[int, datetime, int]:
    return (-job.priority, job.submitted, job.id)


class _Pool:
    """Free devices by type. It only shrinks, so what did not fit a want once never fits it."""

    def __init__(self, devices: Sequence[FreeDevice], *, random: Random, taken: Occupancy) -> None:
        self._by_type: defaultdict[str, list[FreeDevice]] = defaultdict(list)
        self._cursors: defaultdict[Want, int] = defaultdict(int)
        self._resources = set(taken.resources)
        self._room = dict(taken.room)
        shuffled = random.sample(devices, len(devices))
        for device in sorted(shuffled, key=lambda device: len(device.tags)):
            self._by_type[device.device_type].append(device)

    def take(self, want: Want) -> FreeDevice | None:
        """Remove and return the next device that fits, None when there is none."""
        devices = self._by_type.get(want.device_type, [])
        while (position := self._cursors[want]) < len(devices):
            self._cursors[want] = position + 1
            device = devices[position]
            if self._is_free(device) and all(fits(want, device) for fits in _FITS.values()):
                self._occupy(device)
                return device
        return None

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
