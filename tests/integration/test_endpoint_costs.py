"""What requests cost the database on the small data set, held against a bound for each end point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple

import pytest

from tests.benchmarks.endpoints import ASKED, Asked
from tests.lab.filled_lab import FilledLab, small_lab


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledLab]:
    with small_lab(tmp_path_factory.mktemp("small")) as lab:
        yield lab


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name.replace(" ", "-"))
def test_a_request_costs_no_more_than_its_bound(small: FilledLab, asked: Asked) -> None:
    cost = small.cost(asked.path, asked.who)
    pairs = zip(astuple(cost), astuple(asked.most), strict=True)
    assert all(found <= most for found, most in pairs), f"{cost}, at most {asked.most}"


def test_the_bounds_are_near_what_is_found(small: FilledLab) -> None:
    plain = next(asked for asked in ASKED if asked.name == "jobs of a user")
    cost = small.cost(plain.path, plain.who)
    assert cost.queries == plain.most.queries
    assert 2 * cost.buffers > plain.most.buffers
