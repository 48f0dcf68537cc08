"""The kinds of faults, and how a seed draws from them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from tests.chaos.faults.clock import ClockStep
from tests.chaos.faults.disk import DiskFull
from tests.chaos.faults.fault import Fault, Kind
from tests.chaos.faults.network import Cut, Delay, HangUp
from tests.chaos.faults.power import PowerCut
from tests.chaos.faults.redis import ClientsKilled, Emptied, Torn
from tests.chaos.faults.signals import AllKilled, Ended, Killed, Stopped
from tests.chaos.faults.upgrade import Upgraded

KINDS: tuple[Kind, ...] = (
    Killed(),
    Stopped(),
    Ended(),
    AllKilled(),
    Cut(),
    Delay(),
    HangUp(),
    ClientsKilled(),
    Emptied(),
    Torn(),
    PowerCut(),
    DiskFull(),
    ClockStep(),
    Upgraded(),
)
LONGEST_WAIT_SECONDS = 5.0


NEEDED = {
    "lock": ("kill", "steps"),
    "dedup": ("kill", "tests"),
    "replay": ("kill", "tests"),
    "fsync": ("power cut", "power"),
}
NEEDED_SHARE = 0.4


def draw(seed: int, count: int, broken: str = "") -> Iterator[Fault]:
    """Yield the faults of a seed, always the same ones.

    With a safeguard taken away many of them are such as it is there for, if it needs certain ones.
    """
    plain = _draw(seed, count)
    if broken not in NEEDED:
        yield from plain
        return
    rng = random.Random(f"needed {seed}")
    name, part = NEEDED[broken]
    kind = find_kind(name)
    targets = [target for target in kind.targets if target.part == part]
    for fault in plain:
        if rng.random() < NEEDED_SHARE:
            target, seconds = rng.choice(targets), rng.uniform(*kind.seconds)
            yield Fault(fault.number, name, target, seconds, fault.wait)
        else:
            yield fault


def _draw(seed: int, count: int) -> Iterator[Fault]:
    rng = random.Random(f"faults {seed}")
    weights = [kind.weight for kind in KINDS]
    for number in range(1, count + 1):
        kind = rng.choices(KINDS, weights)[0]
        target = rng.choice(kind.targets)
        seconds = rng.uniform(*kind.seconds)
        wait = rng.uniform(0.0, LONGEST_WAIT_SECONDS)
        yield Fault(number, kind.name, target, seconds, wait)


def outages(names: Sequence[str], seconds: float) -> Iterator[Fault]:
    """Yield faults by name, as in `stop redis`, each of so many seconds; raises ValueError."""
    known = {f"{kind.name} {target}": (kind, target) for kind in KINDS for target in kind.targets}
    for number, name in enumerate(names, 1):
        if name not in known:
            message = f"no fault is called {name!r}; there are {', '.join(sorted(known))}"
            raise ValueError(message)
        kind, target = known[name]
        yield Fault(number, kind.name, target, seconds, 0.0)


def find_kind(name: str) -> Kind:
    """Return the kind of a name."""
    return next(kind for kind in KINDS if kind.name == name)
