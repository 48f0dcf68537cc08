"""What a waiting job waits for, in words: a pure function of its wants and of the devices there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labq.domain.matching import Want

MOST_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A device of the type that a job asks for.

    `obstacle` says why it takes no jobs, empty when it does; `is_idle`: it has no run.
    """

    name: str
    host: str
    tags: frozenset[str] = frozenset()
    obstacle: str = ""
    is_idle: bool = True


def describe_wait(want: Want, candidates: Sequence[Candidate]) -> str:
    """Return what has to happen before the job is given a device."""
    if not candidates:
        return f"a device of type {want.device_type}: there is none"
    fitting = [one for one in candidates if _fits(want, one)]
    if not fitting:
        return _describe_misfit(want)
    working = [one for one in fitting if not one.obstacle]
    if not working:
        return f"a device in service: {_listed(f'{one.name} {one.obstacle}' for one in fitting)}"
    if any(one.is_idle for one in working):
        return "its turn: an idle device fits"
    names = _listed(one.name for one in working)
    return f"{names} to become free" if len(working) == 1 else f"one of {names} to become free"


def _fits(want: Want, device: Candidate) -> bool:
    return (
        want.tags <= device.tags
        and want.device in {None, device.name}
        and want.host in {None, device.host}
    )


def _describe_misfit(want: Want) -> str:
    asked = [f"type {want.device_type}"]
    if want.device is not None:
        asked.append(f"name {want.device}")
    if want.host is not None:
        asked.append(f"host {want.host}")
    asked += [f"tag {tag}" for tag in sorted(want.tags)]
    return f"a device of {', '.join(asked)}: there is none"


def _listed(names: Iterable[str]) -> str:
    known = sorted(names)
    more = len(known) - MOST_NAMED
    shown = ", ".join(known[:MOST_NAMED])
    return shown if more <= 0 else f"{shown} and {more} more"
