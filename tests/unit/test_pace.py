"""Work in the background: how large its batches are, and how long it rests."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labq.domain.pace import (
    BATCH_SECONDS,
    FEWEST_ROWS,
    MOST_ACTIVE,
    MOST_ROWS,
    REST_SECONDS,
    Crowd,
    next_rows,
    rest_after,
)


def test_batches_shrink_at_once_and_grow_by_steps() -> None:
    assert next_rows(1000, 10.0) == 500
    assert next_rows(1000, BATCH_SECONDS) == 1000
    assert next_rows(1000, 0.0) == 2000


@given(st.integers(1, 10**9), st.floats(0, 10**6))
def test_a_batch_has_some_rows_and_not_too_many(rows: int, took: float) -> None:
    assert FEWEST_ROWS <= next_rows(rows, took) <= MOST_ROWS


def test_it_rests_longer_the_more_queries_run_and_not_when_there_is_none() -> None:
    rests = [rest_after(0.2, Crowd(active=active, waiting=0)) for active in range(4)]
    assert rests[0] == 0
    assert rests == sorted(set(rests))


def test_nothing_is_done_while_others_wait_for_locks_or_too_many_are_there() -> None:
    assert Crowd(active=0, waiting=1).reason == "1 queries wait for locks"
    assert Crowd(active=MOST_ACTIVE + 1, waiting=0).reason == f"{MOST_ACTIVE + 1} queries run"
    assert Crowd(active=MOST_ACTIVE, waiting=0).reason == ""
    assert rest_after(0.2, Crowd(active=0, waiting=1)) == REST_SECONDS
