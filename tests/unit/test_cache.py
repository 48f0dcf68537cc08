"""The cache of a process: when a value is good, who computes, who waits, and for whom it is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.errors import TooSlowError
from labq.services.visibility import ANONYMOUS, Viewer
from labq.web.cache import MOST_BYTES, Asked, Cache, Epoch, Found, Life, Outcome
from labq.web.shelf import NOBODY, shared_viewer

LIFE = Life(settled=1.0, longest=10.0, stale=20.0)


@dataclass
class Desk:
    """A cache with a clock that is set by hand; `made` counts what was computed."""

    now: float = 100.0
    made: int = 0

    def __post_init__(self) -> None:
        self.epoch = Epoch()
        self.epoch.is_live = True
        self.cache = Cache(self.epoch, lambda: self.now)

    def make(self) -> int:
        self.made += 1
        return self.made

    def ask(
        self, start: Callable[[Callable[[], None]], object] | None = None, patience: float = 5.0
    ) -> Found[int]:
        asked = Asked("jobs", "key", LIFE, patience)
        return self.cache.find(asked, self.make, start or (lambda job: job()))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_settled_value_is_given_out_whatever_changed(desk: Desk) -> None:
    desk.ask()
    desk.epoch.rise()
    desk.now += 1.0
    assert desk.ask() == Found(1, 1.0, Outcome.HIT)


def test_a_value_lives_on_while_nothing_changes_and_not_for_ever(desk: Desk) -> None:
    desk.ask()
    desk.now += 10.0
    assert desk.ask() == Found(1, 10.0, Outcome.HIT)
    desk.now += 0.1
    assert desk.ask() == Found(2, 0.0, Outcome.MISS)


@pytest.mark.parametrize("how", ["raised", "deaf"])
def test_after_a_change_or_when_none_is_heard_a_value_is_made_anew(desk: Desk, how: str) -> None:
    desk.ask()
    if how == "raised":
        desk.epoch.rise()
    else:
        desk.epoch.is_live = False
    desk.now += 1.1
    assert desk.ask() == Found(2, 0.0, Outcome.MISS)


def test_a_change_during_the_making_makes_the_value_old(desk: Desk) -> None:
    asked = Asked("jobs", "key", LIFE, 5.0)
    desk.cache.find(asked, _rising(desk), lambda job: job())
    desk.now += 1.1
    assert desk.ask().outcome is Outcome.MISS


def _rising(desk: Desk) -> Callable[[], int]:
    def make() -> int:
        desk.epoch.rise()
        return desk.make()

    return make


def test_who_comes_while_a_new_value_is_made_takes_the_last_one(desk: Desk) -> None:
    desk.ask()
    desk.now += 15.0
    waiting: list[Callable[[], None]] = []
    assert desk.ask(waiting.append) == Found(1, 15.0, Outcome.STALE)
    assert desk.ask(waiting.append) == Found(1, 15.0, Outcome.STALE)
    (job,) = waiting
    job()
    assert desk.ask() == Found(2, 0.0, Outcome.HIT)


def test_a_value_that_is_too_old_is_waited_for_and_not_for_long(desk: Desk) -> None:
    desk.ask()
    desk.now += 20.1
    waiting: list[Callable[[], None]] = []
    with pytest.raises(TooSlowError, match="try again"):
        desk.ask(waiting.append, patience=0.0)
    assert len(waiting) == 1


def test_one_computes_while_all_others_wait_for_it(desk: Desk) -> None:
    began, go = threading.Event(), threading.Event()
    found: list[Found[int]] = []

    def slow(job: Callable[[], None]) -> None:
        began.set()
        assert go.wait(20)
        job()

    threads = [threading.Thread(target=lambda: found.append(desk.ask(slow, 20.0)))]
    threads[0].start()
    assert began.wait(20)
    threads += [threading.Thread(target=lambda: found.append(desk.ask(slow, 20.0))) for _ in "abc"]
    for thread in threads[1:]:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(20)
    assert desk.made == 1
    assert [one.value for one in found] == [1, 1, 1, 1]
    assert desk.cache.counts()["jobs"]["miss"] == 1


def test_an_error_is_told_and_not_kept(desk: Desk) -> None:
    def fail() -> int:
        raise TooSlowError("slow")

    with pytest.raises(TooSlowError, match="slow"):
        desk.cache.find(Asked("jobs", "key", LIFE, 5.0), fail, lambda job: job())
    assert desk.ask() == Found(1, 0.0, Outcome.MISS)


def test_the_least_used_values_make_room(desk: Desk) -> None:
    size = MOST_BYTES // 4
    for number in range(6):
        asked = Asked("jobs", number, LIFE, 5.0)
        desk.cache.find(asked, lambda: bytes(size), lambda job: job())
    desk.cache.find(Asked("jobs", 0, LIFE, 5.0), lambda: bytes(size), lambda job: job())
    desk.cache.find(Asked("jobs", 5, LIFE, 5.0), lambda: bytes(size), lambda job: job())
    assert desk.cache.counts()["jobs"] == {"hit": 1, "miss": 7, "stale": 0, "bypass": 0}


_VIEWERS = st.one_of(
    st.just(ANONYMOUS),
    st.builds(
        Viewer,
        user_id=st.integers(1, 5),
        name=st.sampled_from("abc"),
        is_admin=st.booleans(),
        groups=st.lists(st.integers(1, 4), unique=True).map(tuple),
    ),
)


@given(_VIEWERS, _VIEWERS)
def test_two_share_a_value_only_when_they_see_the_same(one: Viewer, other: Viewer) -> None:
    if shared_viewer(one) == shared_viewer(other):
        assert one.is_admin == other.is_admin
        assert one.is_admin or set(one.groups) == set(other.groups)


@given(_VIEWERS)
def test_a_value_is_made_for_somebody_who_has_no_jobs_and_no_more_rights(viewer: Viewer) -> None:
    shared = shared_viewer(viewer)
    assert shared.user_id in (None, NOBODY)
    assert shared.is_admin <= viewer.is_admin
    assert set(shared.groups) <= set(viewer.groups)
