"""Who says how many slots there are: the host's own numbers, the server, the preset, the pressure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labq.bench.adaptive import Use
from labq.bench.limits import Limits, Own
from labq.bench.presets import values
from labq.bench.pressure import Pressure, stalled_microseconds, swapped_pages
from labq.bench.strain import strain, without_cpu
from labq.domain.plan import Queue
from labq.domain.presets import ADAPTIVE, HostConfig, Preset

OWN = Own(cores=4, preset=Preset.BASELINE, fixed={}, fastboot=4)
TOLERANCE = values(Preset.BASELINE, 4).tolerance
SEVERE = Pressure(cpu=1.0, runnable=20.0)
BUSY = {queue: Use(used=100, waiting=9) for queue in Queue}
WAITED_FOR = {queue: Use(used=0, waiting=9) for queue in Queue}


def limits(own: Own = OWN, config: HostConfig | None = None, *, was_overloaded: bool = False):
    return Limits(own, config or HostConfig(), was_overloaded=was_overloaded, now=0.0)


def test_boots_begin_at_half_of_the_cores_and_tests_have_no_limit():
    made = limits()
    assert made.of(Queue.BOOT) == 2
    assert made.of(Queue.FASTBOOT) == 4
    assert made.of(Queue.TEST) is None
    assert made.of(Queue.COLLECT) is None


def test_a_number_of_the_host_itself_goes_before_the_servers():
    asked = HostConfig(revision=1, limits={Queue.BOOT: 7, Queue.DEPLOY: 3})
    made = limits(replace(OWN, fixed={Queue.BOOT: 5}), asked)
    assert (made.of(Queue.BOOT), made.reason(Queue.BOOT)) == (
        5,
        "fixed by LABQ_BOOT_SLOTS on the host",
    )
    assert (made.of(Queue.DEPLOY), made.reason(Queue.DEPLOY)) == (3, "fixed by the server")


def test_the_servers_preset_goes_before_the_hosts_own_and_is_given_back():
    made = limits()
    made.configure(HostConfig(revision=1, preset=Preset.SERIAL))
    assert made.is_serial
    assert [made.of(queue) for queue in ADAPTIVE] == [1, 1, 1]
    made.configure(HostConfig(revision=2))
    assert (made.preset, made.is_serial) == (Preset.BASELINE, False)


def test_a_ceiling_bounds_what_adapts():
    made = limits(config=HostConfig(revision=1, ceilings={Queue.DOWNLOAD: 2}))
    assert made.of(Queue.DOWNLOAD) == 2
    for second in range(1, 20):
        made.note_sample(Pressure(), WAITED_FOR, float(second))
    assert made.of(Queue.DOWNLOAD) == 2
    assert made.of(Queue.DEPLOY) == 8


def test_pressure_shrinks_all_that_adapts_and_nothing_that_is_fixed():
    made = limits(replace(OWN, fixed={Queue.BOOT: 6}))
    for second in range(1, 30):
        made.note_sample(SEVERE, WAITED_FOR, float(second))
    assert [made.of(queue) for queue in ADAPTIVE] == [6, 1, 1]
    assert made.pause(Queue.BOOT, 30.0) == 0.0
    assert made.suffering.is_overloaded


def test_a_fixed_limit_begins_anew_when_it_adapts_again():
    made = limits()
    for second in range(1, 30):
        made.note_sample(SEVERE, WAITED_FOR, float(second))
    made.configure(HostConfig(revision=1, limits={Queue.BOOT: 9}))
    made.configure(HostConfig(revision=2))
    assert made.of(Queue.BOOT) == 2


def test_starts_are_kept_apart_under_strain_but_never_longer_than_the_preset_says():
    made = limits()
    made.note_end(Queue.BOOT, 60.0)
    for second in range(1, 30):
        made.note_sample(SEVERE, WAITED_FOR, float(second))
    made.note_grant(Queue.BOOT, 30.0)
    assert made.pause(Queue.BOOT, 30.0) == pytest.approx(2.0)
    assert made.pause(Queue.BOOT, 32.0) == 0.0
    assert made.pause(Queue.TEST, 30.0) == 0.0


def test_starts_are_never_kept_apart_for_longer_than_such_steps_take():
    made = limits()
    for seconds in (0.01, 0.02, 0.03):
        made.note_end(Queue.BOOT, seconds)
    for second in range(1, 30):
        made.note_sample(SEVERE, WAITED_FOR, float(second))
    for queue in (Queue.BOOT, Queue.DEPLOY):
        made.note_grant(queue, 30.0)
    assert 0.01 < made.pause(Queue.BOOT, 30.0) < 0.03
    assert made.pause(Queue.DEPLOY, 30.0) == 0.0


def test_a_failure_is_suspect_of_the_host_only_when_it_suffered_since_the_step_began():
    made = limits()
    for second in range(1, 10):
        made.note_sample(SEVERE, BUSY, float(second))
    for second in range(10, 30):
        made.note_sample(Pressure(), BUSY, float(second))
    assert not made.suffering.is_overloaded
    assert made.suspicion(since=5.0).startswith("the host was overloaded: 20.0 tasks want")
    assert made.suspicion(since=25.0) == ""


def test_after_an_overload_a_new_bench_begins_at_the_floor_and_recovers():
    made = limits(was_overloaded=True)
    assert made.of(Queue.DOWNLOAD) == 1
    assert made.suffering.is_overloaded
    for second in range(1, 12):
        made.note_sample(Pressure(), {}, float(second))
    assert not made.suffering.is_overloaded
    assert made.of(Queue.DOWNLOAD) == 4


def test_utilisation_is_the_share_of_slots_used_of_late():
    made = limits(replace(OWN, fixed={Queue.BOOT: 4}))
    for second in range(1, 400):
        made.note_sample(Pressure(), {Queue.BOOT: Use(used=2, waiting=0)}, float(second))
    report = made.reports({Queue.BOOT: Use(used=2, waiting=0)})["boot"]
    assert (report.limit, report.used) == (4, 2)
    assert report.utilisation == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("pressure", "reason"),
    [
        (Pressure(cpu=0.9, runnable=6.0), "6.0 tasks want each CPU (4 are fine)"),
        (Pressure(io=0.9), "tasks wait for disk 90% of the time (60% is fine)"),
        (Pressure(memory=0.2), "tasks wait for memory 20% of the time (10% is fine)"),
        (Pressure(swap=900.0), "900 pages a second are swapped (200 are fine)"),
    ],
)
def test_each_sign_of_pressure_counts_and_is_named(pressure: Pressure, reason: str):
    found = strain(pressure, TOLERANCE)
    assert found.ratio > 1.0
    assert found.reason == reason


def test_many_runnable_tasks_count_only_while_tasks_wait_for_a_cpu():
    assert strain(Pressure(cpu=0.05, runnable=6.0), TOLERANCE).ratio < 1.0
    assert strain(Pressure(has_stalls=False, runnable=8.0), TOLERANCE).ratio == 2.0


def test_downloads_mind_the_cpu_only_when_it_is_severe():
    pressed = Pressure(cpu=1.0, runnable=5.0)
    assert strain(pressed, TOLERANCE).ratio > 1.0
    assert strain(pressed, without_cpu(TOLERANCE)).ratio < 1.0


@pytest.mark.parametrize("preset", Preset)
@pytest.mark.parametrize("cores", [1, 2, 7, 64])
def test_every_preset_has_sound_bounds_for_any_machine(preset: Preset, cores: int):
    found = values(preset, cores)
    assert set(found.bounds) == set(ADAPTIVE)
    for bounds in found.bounds.values():
        assert 1 <= bounds.floor <= bounds.start <= bounds.ceiling
        assert bounds.step >= 1
    assert 0 <= found.nice <= 19


def test_counters_of_the_kernel_are_read():
    text = "some avg10=0.77 avg60=1.06 avg300=2.60 total=3735615046\nfull avg10=0 total=7\n"
    assert stalled_microseconds(text) == 3735615046
    assert stalled_microseconds("") == 0
    assert swapped_pages("pgpgin 5\npswpin 30\npswpout 12\n") == 42


def test_a_pressed_cpu_shrinks_boots_and_leaves_downloads():
    made = limits()
    pressed = Pressure(cpu=1.0, runnable=5.0)
    for second in range(1, 30):
        made.note_sample(pressed, WAITED_FOR, float(second))
    assert (made.of(Queue.BOOT), made.of(Queue.DEPLOY)) == (1, 1)
    assert made.of(Queue.DOWNLOAD) == 8
