"""Chance that follows from a seed: one source for each topic, so that one does not disturb another."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from random import Random


def source(seed: int, topic: str) -> Random:
    """Return the source of chance for a topic; the same in every process and on every machine."""
    return Random(f"{seed}:{topic}")  # noqa: S311 - not for secrets


def zipf(count: int, exponent: float) -> list[float]:
    """Return `count` weights, the first one the largest."""
    return [1 / (rank + 1) ** exponent for rank in range(count)]


class Weighted:
    """Draws indices with given weights."""

    def __init__(self, weights: Sequence[float]) -> None:
        self._bounds = list(accumulate(weights))
        self._last = len(self._bounds) - 1
        self._sum = self._bounds[-1]

    def draw(self, random: Random) -> int:
        """Return an index."""
        return self.at(random.random())

    def at(self, place: float) -> int:
        """Return the index at a place from 0 to 1."""
        return min(bisect_right(self._bounds, place * self._sum), self._last)


def spread(total: int, weights: Sequence[float]) -> list[int]:
    """Return whole numbers in the ratio of the weights whose sum is exactly `total`."""
    whole = sum(weights)
    if whole <= 0:
        return [
            total * (at + 1) // len(weights) - total * at // len(weights)
            for at in range(len(weights))
        ]
    shares: list[int] = []
    reached, given = 0.0, 0
    for weight in weights[:-1]:
        reached += weight
        upto = int(total * (reached / whole))
        shares.append(upto - given)
        given = upto
    return [*shares, total - given]
