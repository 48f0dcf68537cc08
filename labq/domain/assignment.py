"""Who gets which thing when each may have one of several: a maximum assignment, by augmenting paths."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Thing = TypeVar("Thing", bound=Hashable)


def assign(
    options: Sequence[Sequence[Thing]], given: Mapping[int, Thing] | None = None
) -> dict[int, Thing]:
    """Return the thing of each taker (its place in `options`) of as many takers as possible.

    Nobody loses a thing that `given` names to nobody: a given thing stays in use, perhaps with
    another taker. The cost is that of takers times all options.
    """
    taker_of = {thing: taker for taker, thing in (given or {}).items()}
    for taker in range(len(options)):
        if taker not in (given or {}):
            _place(taker, options, taker_of, set())
    return {taker: thing for thing, taker in taker_of.items()}


def _place(
    taker: int,
    options: Sequence[Sequence[Thing]],
    taker_of: dict[Thing, int],
    tried: set[Thing],
) -> bool:
    """Find a thing for a taker, having others change to another one of theirs where they can."""
    wanted = [thing for thing in options[taker] if thing not in tried]
    for thing in wanted:
        if thing not in taker_of:
            taker_of[thing] = taker
            return True
    for thing in wanted:
        if thing in tried:
            continue
        tried.add(thing)
        if _place(taker_of[thing], options, taker_of, tried):
            taker_of[thing] = taker
            return True
    return False
