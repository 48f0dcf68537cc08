"""Physical cores: which there are, and who owns which."""

from __future__ import annotations

from labq.bench.cores import Cores, group_threads
from labq.domain.plan import Queue

TWO = ((0, 4), (1, 5))


def test_hyperthreads_of_one_core_are_one_core() -> None:
    siblings = {0: "0,4", 4: "0,4", 1: "1,5", 5: "1,5"}
    assert group_threads([0, 1, 4, 5], siblings) == TWO
    assert group_threads([0, 4], siblings) == ((0, 4),)


def test_only_usable_cpus_count() -> None:
    assert group_threads([1], {0: "0", 1: "1"}) == ((1,),)


def test_each_owner_has_a_core_of_its_own_and_a_third_waits() -> None:
    cores = Cores(TWO)
    taken = [cores.take(run, Queue.FASTBOOT, lambda _: True) for run in (1, 2, 3)]
    assert taken == [True, True, False]
    assert {cores.of(run, Queue.FASTBOOT) for run in (1, 2)} == set(TWO)
    assert cores.of(3, Queue.FASTBOOT) == ()


def test_a_core_comes_back_once_its_owner_does_not_need_it() -> None:
    cores = Cores(TWO[:1])
    assert cores.take(1, Queue.FASTBOOT, lambda _: True)
    assert not cores.take(2, Queue.FASTBOOT, lambda run: run == 1)
    assert cores.take(2, Queue.FASTBOOT, lambda run: run != 1)
    assert cores.of(1, Queue.FASTBOOT) == ()


def test_a_run_that_takes_again_does_not_own_two() -> None:
    cores = Cores(TWO)
    assert cores.take(1, Queue.FASTBOOT, lambda _: True)
    assert cores.take(1, Queue.FASTBOOT, lambda _: True)
    assert cores.take(2, Queue.FASTBOOT, lambda _: True)


def test_what_was_owned_before_a_restart_is_not_given_away() -> None:
    cores = Cores(TWO)
    cores.claim(7, TWO[0])
    assert cores.take(8, Queue.FASTBOOT, lambda _: True)
    assert cores.of(8, Queue.FASTBOOT) == TWO[1]


def test_other_queues_own_no_core() -> None:
    cores = Cores(())
    assert cores.take(1, Queue.BOOT, lambda _: True)
    assert cores.of(1, Queue.BOOT) == ()
