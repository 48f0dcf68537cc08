"""Matching: nothing is given twice, the best job goes first, and refusals are explained."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.matching import FreeDevice, Occupancy, Pairing, WaitingJob, Want, explain, match

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WANT = Want(device_type="qemu")
DEVICE = FreeDevice(name="a", device_type="qemu", host="h1")


def job(number: int, want: Want = WANT, *, priority: int = 50, minute: int = 0) -> WaitingJob:
    submitted = NOON + timedelta(minutes=minute)
    return WaitingJob(id=number, priority=priority, submitted=submitted, want=want)


def device(name: str, **changes: object) -> FreeDevice:
    return replace(DEVICE, name=name, **changes)  # type: ignore[arg-type]  # any field by name


def pairs(
    jobs: list[WaitingJob],
    devices: list[FreeDevice],
    taken: Occupancy | None = None,
    seed: int = 1,
) -> dict[int, str]:
    found = match(jobs, devices, random=Random(seed), taken=taken or Occupancy())
    return {pairing.job: pairing.device for pairing in found}


def test_a_job_gets_the_only_device() -> None:
    assert match([job(1)], [DEVICE], random=Random(1)) == [Pairing(1, "a", ("a",))]


def test_nothing_comes_of_nothing() -> None:
    assert pairs([], [DEVICE]) == {}
    assert pairs([job(1)], []) == {}


def test_the_higher_priority_goes_first() -> None:
    assert pairs([job(1), job(2, priority=51)], [DEVICE]) == {2: "a"}


def test_among_equals_the_earlier_goes_first_and_then_the_smaller_id() -> None:
    assert pairs([job(1, minute=1), job(2)], [DEVICE]) == {2: "a"}
    assert pairs([job(2), job(1)], [DEVICE]) == {1: "a"}


def test_a_job_that_finds_nothing_does_not_hold_up_others() -> None:
    other = job(2, Want(device_type="other"), priority=100)
    assert pairs([job(1), other], [DEVICE]) == {1: "a"}


@pytest.mark.parametrize(
    "want",
    [
        Want(device_type="other"),
        Want(device_type="qemu", tags=frozenset({"usb", "hdmi"})),
        Want(device_type="qemu", device="b"),
        Want(device_type="qemu", host="h2"),
    ],
)
def test_a_device_that_lacks_something_stays_free(want: Want) -> None:
    assert pairs([job(1, want)], [device("a", tags=frozenset({"usb"}))]) == {}


def test_a_job_gets_the_device_and_host_that_it_names() -> None:
    devices = [device("a"), device("b"), device("c", host="h2")]
    assert pairs([job(1, replace(WANT, device="b"))], devices) == {1: "b"}
    assert pairs([job(1, replace(WANT, host="h2"))], devices) == {1: "c"}


def test_only_members_and_admins_use_a_restricted_device() -> None:
    restricted = [device("a", groups=frozenset({7}))]
    assert pairs([job(1)], restricted) == {}
    assert pairs([job(1, replace(WANT, groups=frozenset({7, 8})))], restricted) == {1: "a"}
    assert pairs([job(1, replace(WANT, is_admin=True))], restricted) == {1: "a"}


def test_devices_with_tags_are_left_to_those_who_need_them() -> None:
    devices = [device("plain"), device("rich", tags=frozenset({"usb"}))]
    tagged = job(2, replace(WANT, tags=frozenset({"usb"})))
    for seed in range(10):
        assert pairs([job(1), tagged], devices, seed=seed) == {1: "plain", 2: "rich"}


def test_shared_resources_go_to_one_run_at_a_time() -> None:
    hub = frozenset({"hub"})
    devices = [device("a", exclusive=hub), device("b", exclusive=hub)]
    assert len(pairs([job(1), job(2)], devices)) == 1
    assert pairs([job(1)], devices, Occupancy(resources=hub)) == {}


def test_a_pairing_names_its_resources_in_the_order_to_take_them() -> None:
    found = match([job(1)], [device("m", exclusive=frozenset({"z", "b"}))], random=Random(1))
    assert found[0].resources == ("b", "m", "z")


def test_a_device_that_is_taken_is_not_given() -> None:
    assert pairs([job(1)], [DEVICE], Occupancy(resources=frozenset({"a"}))) == {}


def test_a_host_takes_no_more_runs_than_it_has_room_for() -> None:
    devices = [device("a"), device("b"), device("c", host="h2"), device("d", host="h2")]
    jobs = [job(number) for number in range(4)]
    found = pairs(jobs, devices, Occupancy(room={"h1": 1}))
    assert Counter(name in "ab" for name in found.values()) == {True: 1, False: 2}
    assert pairs(jobs, devices[:2], Occupancy(room={"h1": 0})) == {}


def test_equal_devices_wear_evenly() -> None:
    devices = [device(name) for name in "abcd"]
    firsts = Counter(pairs([job(1)], devices, seed=seed)[1] for seed in range(200))
    assert set(firsts) == set("abcd")
    assert min(firsts.values()) > 20


def test_a_long_queue_for_a_full_type_costs_one_search() -> None:
    looked_at = []

    class Watched(FreeDevice):
        @property
        def resources(self) -> frozenset[str]:
            looked_at.append(self.name)
            return frozenset({self.name})

    devices: list[FreeDevice] = [
        Watched(name=name, device_type="qemu", host="h", groups=frozenset({1})) for name in "abc"
    ]
    assert pairs([job(number) for number in range(10_000)], devices) == {}
    assert len(looked_at) == 3


NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])
TYPES = st.sampled_from(["qemu", "bbb"])
HOSTS = st.sampled_from(["h1", "h2"])
TAGS = st.frozensets(st.sampled_from(["usb", "hdmi"]))
GROUPS = st.frozensets(st.integers(1, 2))
WANTS = st.builds(
    Want,
    device_type=TYPES,
    tags=TAGS,
    device=st.none() | NAMES,
    host=st.none() | HOSTS,
    groups=GROUPS,
    is_admin=st.booleans(),
)
JOBS = st.lists(
    st.builds(
        WaitingJob,
        id=st.integers(1, 50),
        priority=st.integers(0, 2),
        submitted=st.integers(0, 2).map(lambda minute: NOON + timedelta(minutes=minute)),
        want=WANTS,
    ),
    unique_by=lambda one: one.id,
)
DEVICES = st.lists(
    st.builds(
        FreeDevice,
        name=NAMES,
        device_type=TYPES,
        host=HOSTS,
        tags=TAGS,
        groups=st.none() | GROUPS,
        exclusive=st.frozensets(st.sampled_from(["hub", "mux"])),
    ),
    unique_by=lambda one: one.name,
)
ROOM = st.dictionaries(HOSTS, st.integers(0, 3))


@given(JOBS, DEVICES, ROOM, st.integers())
def test_what_is_given_fits_and_is_given_once(
    jobs: list[WaitingJob], devices: list[FreeDevice], room: dict[str, int], seed: int
) -> None:
    found = match(jobs, devices, random=Random(seed), taken=Occupancy(room=room))
    by_name = {one.name: one for one in devices}
    by_id = {one.id: one for one in jobs}
    given_resources = [resource for pairing in found for resource in pairing.resources]
    assert len(given_resources) == len(set(given_resources))
    assert len({pairing.job for pairing in found}) == len(found)
    hosts = Counter(by_name[pairing.device].host for pairing in found)
    assert all(hosts[host] <= places for host, places in room.items())
    for pairing in found:
        assert explain(by_id[pairing.job].want, [by_name[pairing.device]]) is None


@given(JOBS, DEVICES, st.integers())
def test_nobody_is_passed_over_for_a_lesser_job(
    jobs: list[WaitingJob], devices: list[FreeDevice], seed: int
) -> None:
    found = match(jobs, devices, random=Random(seed))
    by_id = {one.id: one for one in jobs}
    ranks = [
        (-by_id[pairing.job].priority, by_id[pairing.job].submitted, pairing.job)
        for pairing in found
    ]
    assert ranks == sorted(ranks)
    served = {pairing.job for pairing in found}
    for one in (job for job in jobs if job.id not in served):
        rank = (-one.priority, one.submitted, one.id)
        before = {r for p, r_ in zip(found, ranks, strict=True) if r_ < rank for r in p.resources}
        left = [device for device in devices if before.isdisjoint(device.resources)]
        assert explain(one.want, left) is not None


@given(JOBS, DEVICES, st.integers())
def test_the_same_seed_gives_the_same_pairs(
    jobs: list[WaitingJob], devices: list[FreeDevice], seed: int
) -> None:
    once = match(jobs, devices, random=Random(seed))
    assert match(list(reversed(jobs)), devices, random=Random(seed)) == once


@pytest.mark.parametrize(
    ("want", "text"),
    [
        (Want(device_type="bbb"), "there is no device of type 'bbb'"),
        (Want(device_type="secret"), "you may not use any device of type 'secret'"),
        (replace(WANT, host="h9"), "host 'h9' has no 'qemu' that you may use"),
        (replace(WANT, device="s"), "device 's' is not among those of type 'qemu'"),
        (replace(WANT, device="a", host="h2"), "device 'a' is not among those"),
        (replace(WANT, tags=frozenset({"usb", "x"})), "no such device has all the tags usb, x"),
    ],
)
def test_the_constraint_that_leaves_no_device_is_told(want: Want, text: str) -> None:
    devices = [
        device("a", tags=frozenset({"usb"})),
        device("b", host="h2"),
        device("s", device_type="secret", groups=frozenset({1})),
    ]
    explanation = explain(want, devices)
    assert explanation is not None
    assert explanation.startswith(text)


def test_a_want_that_a_device_fits_needs_no_explanation() -> None:
    assert explain(WANT, [DEVICE]) is None
