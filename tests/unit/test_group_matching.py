"""Groups get all of their devices at once, and no group waits for ever for another or for singles."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from labq.domain.assignment import assign
from labq.domain.matching import (
    FreeDevice,
    Pairing,
    WaitingGroup,
    WaitingJob,
    Want,
    can_run,
    match,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def want(*tags: str, device: str | None = None) -> Want:
    return Want(device_type="board", tags=frozenset(tags), device=device)


def board(name: str, *tags: str, exclusive: str = "") -> FreeDevice:
    shared = frozenset({exclusive} if exclusive else ())
    return FreeDevice(
        name=name, device_type="board", host="h", tags=frozenset(tags), exclusive=shared
    )


def group(number: int, *wants: Want, minute: int = 0, priority: int = 50) -> WaitingGroup:
    at = NOON + timedelta(minutes=minute)
    members = [
        WaitingJob(id=number + place, priority=priority, submitted=at, want=one)
        for place, one in enumerate(wants)
    ]
    return WaitingGroup(id=number, priority=priority, submitted=at, members=tuple(members))


def single(number: int, *, minute: int = 0) -> WaitingJob:
    at = NOON + timedelta(minutes=minute)
    return WaitingJob(id=number, priority=50, submitted=at, want=want())


def given_to(pairings: list[Pairing]) -> dict[int, str]:
    return {pairing.job: pairing.device for pairing in pairings}


def test_a_group_gets_all_of_its_devices_at_once() -> None:
    found = match(
        [], [board("a"), board("b")], random=Random(1), groups=[group(10, want(), want())]
    )
    assert {pairing.job for pairing in found} == {10, 11}
    assert {pairing.device for pairing in found} == {"a", "b"}
    assert all(pairing.group == 10 for pairing in found)


def test_a_group_that_lacks_a_device_gets_none_and_keeps_those_it_can_use_from_later_jobs() -> None:
    waiting = group(10, want(), want("fast"))
    later = [single(20, minute=1)]
    free, busy = [board("a")], [board("b", "fast")]
    assert match(later, free, random=Random(1), groups=[waiting], busy=busy) == []


def test_a_group_that_could_never_run_keeps_nothing() -> None:
    waiting = group(10, want(), want("none has it"))
    found = match(
        [single(20, minute=1)], [board("a")], random=Random(1), groups=[waiting], busy=[board("b")]
    )
    assert given_to(found) == {20: "a"}


def test_what_comes_before_a_group_is_not_kept_from_its_device() -> None:
    waiting = group(10, want(), want(), minute=5)
    found = match([single(1)], [board("a")], random=Random(1), groups=[waiting], busy=[board("b")])
    assert given_to(found) == {1: "a"}


def test_a_group_finds_the_only_assignment_that_there_is() -> None:
    devices = [board("a", "fast"), board("b")]
    found = match([], devices, random=Random(3), groups=[group(10, want(), want("fast"))])
    assert given_to(found) == {10: "b", 11: "a"}


def test_a_group_never_gets_two_devices_that_need_the_same_resource() -> None:
    devices = [board("a", exclusive="mux"), board("b", exclusive="mux")]
    wants = [want(), want()]
    assert not can_run(wants, devices)
    assert match([], devices, random=Random(1), groups=[group(10, *wants)]) == []
    assert can_run(wants, [*devices, board("c")])


def test_a_guest_works_on_the_device_of_its_host_and_reserves_nothing() -> None:
    plain = group(10, want(device="a"))
    waiting = WaitingGroup(
        id=10, priority=50, submitted=NOON, members=plain.members, guests={11: 10, 12: 10}
    )
    found = match([], [board("a")], random=Random(1), groups=[waiting])
    assert found == [
        Pairing(10, "a", ("a",), group=10),
        Pairing(11, "a", (), group=10, is_guest=True),
        Pairing(12, "a", (), group=10, is_guest=True),
    ]


def test_a_better_group_that_waits_lets_others_use_what_it_has_no_use_for() -> None:
    first = group(10, want(device="a"), want(device="b"))
    second = group(20, want(device="c"), minute=1)
    found = match(
        [], [board("b"), board("c")], random=Random(1), groups=[first, second], busy=[board("a")]
    )
    assert given_to(found) == {20: "c"}


NAMES = "abcdef"
TAGS = st.frozensets(st.sampled_from(["x", "y"]), max_size=2)
BOARDS = st.lists(TAGS, min_size=2, max_size=6).map(
    lambda tags: [board(NAMES[place], *one) for place, one in enumerate(tags)]
)
GROUPS = st.lists(
    st.lists(TAGS.map(lambda tags: want(*tags)), min_size=1, max_size=4), min_size=1, max_size=5
)


@given(boards=BOARDS, wants=GROUPS, lasting=st.integers(1, 4), seed=st.integers(0, 2**16))
def test_every_group_that_can_run_runs_however_many_other_jobs_come(
    boards: list[FreeDevice], wants: list[list[Want]], lasting: int, seed: int
) -> None:
    waiting = {
        number * 10: group(number * 10, *one, minute=number)
        for number, one in enumerate(wants, start=1)
        if can_run(one, boards)
    }
    random = Random(seed)
    free_at = {one.name: random.randint(0, lasting) for one in boards}
    for now in range((len(waiting) + 1) * (lasting + 1)):
        others = [single(1000 + now * 10 + place, minute=100 + now) for place in range(6)]
        free = [one for one in boards if free_at[one.name] <= now]
        busy = [one for one in boards if free_at[one.name] > now]
        found = match(others, free, random=random, groups=waiting.values(), busy=busy)
        assert max(Counter(pairing.device for pairing in found).values(), default=0) <= 1
        for pairing in found:
            free_at[pairing.device] = now + random.randint(1, lasting)
        begun = Counter(pairing.group for pairing in found if pairing.group is not None)
        for number, count in begun.items():
            assert count == len(waiting.pop(number).members)
    assert not waiting


@given(
    options=st.lists(st.lists(st.sampled_from("abcd"), max_size=4), max_size=5),
    first=st.integers(0, 5),
)
def test_an_assignment_is_as_large_as_can_be_and_takes_nothing_back(
    options: list[list[str]], first: int
) -> None:
    begun = assign(options[:first])
    found = assign(options, begun)
    assert all(thing in options[taker] for taker, thing in found.items())
    assert len(set(found.values())) == len(found)
    assert set(begun.values()) <= set(found.values())
    assert len(found) == _largest(options, frozenset())


def _largest(options: list[list[str]], taken: frozenset[str]) -> int:
    if not options:
        return 0
    here = [
        1 + _largest(options[1:], taken | {thing}) for thing in options[0] if thing not in taken
    ]
    return max([_largest(options[1:], taken), *here])
