"""What limits slots: cores, not threads, and what the cgroup grants."""

from __future__ import annotations

from labq.bench.slots import count_cores


def test_hyperthreads_of_one_core_count_once():
    siblings = {0: "0,4", 4: "0,4", 1: "1,5", 5: "1,5"}
    assert count_cores([0, 4, 1, 5], siblings) == 2
    assert count_cores([0, 4], siblings) == 1


def test_only_usable_cpus_count():
    assert count_cores([1], {0: "0", 1: "1"}) == 1
