"""Timeouts of a plan: which of LAVA's many places counts for an action."""

from __future__ import annotations

from typing import Any

from labq.domain.plan import PlanStep, Timeouts
from labq.jobdef.plan import build_plan
from tests.unit import jobs

PROMPTS = {"method": "qemu", "prompts": "#"}


def steps(boot: dict[str, Any] | None = None, **timeouts: object) -> tuple[PlanStep, ...]:
    spec = jobs.spec(
        timeouts={"job": {"minutes": 60}, **timeouts},
        actions=[{"boot": {**PROMPTS, **(boot or {})}}],
    )
    device = jobs.device("qemu")
    return build_plan(spec, device, run=1, job=2, host="h", host_address="a").steps


def boot(block: dict[str, Any] | None = None, **timeouts: object) -> Timeouts:
    return steps(block, **timeouts)[0].timeouts


def test_without_a_word_an_action_has_30_seconds() -> None:
    assert boot().of("login-action") == 30


def test_the_job_sets_the_default_of_every_action() -> None:
    assert boot(action={"seconds": 50}).of("login-action") == 50


def test_the_device_knows_its_actions_better_than_the_default_of_the_job() -> None:
    found = boot(action={"seconds": 50})
    assert found.block == 120  # the device's boot-image-retry
    assert found.of("auto-login-action") == 120
    assert found.of("bootloader-interrupt") == 30


def test_the_timeout_of_a_block_replaces_what_the_device_says() -> None:
    found = boot({"timeout": {"minutes": 5}}, action={"seconds": 50})
    assert found.block == 300
    assert found.of("bootloader-interrupt") == 300
    assert found.of("login-action") == 300


def test_the_job_names_an_action_over_the_block() -> None:
    named = {"auto-login-action": {"minutes": 1}}
    found = boot({"timeout": {"minutes": 5}}, actions=named)
    assert found.of("auto-login-action") == 60
    assert found.of("login-action") == 300


def test_the_block_names_an_action_over_the_job() -> None:
    named = {"auto-login-action": {"minutes": 1}}
    block = {"timeout": {"minutes": 5}, "timeouts": {"auto-login-action": {"minutes": 2}}}
    assert boot(block, actions=named).of("auto-login-action") == 120


def test_names_of_the_outer_action_count_for_the_block() -> None:
    block = {"timeout": {"minutes": 5}}
    assert boot(block, actions={"boot-image-retry": {"minutes": 7}}).block == 420
    block["timeouts"] = {"boot-image-retry": {"minutes": 8}}
    assert boot(block, actions={"boot-image-retry": {"minutes": 7}}).block == 480


def test_no_action_outlives_its_block() -> None:
    found = boot({"timeout": {"minutes": 1}}, actions={"auto-login-action": {"minutes": 9}})
    assert found.of("auto-login-action") == 60


def test_tries_share_the_block_in_whole_seconds() -> None:
    found = boot({"timeout": {"seconds": 100}, "failure_retry": 3})
    assert found.block == 100
    assert found.of("login-action") == 33
    assert boot({"timeout": {"seconds": 100}, "repeat": 3}).of("login-action") == 33


def test_a_share_replaces_the_device_but_not_what_the_job_names() -> None:
    found = boot(
        {"timeout": {"seconds": 100}, "failure_retry": 2},
        actions={"login-action": {"seconds": 70}},
    )
    assert found.of("auto-login-action") == 50
    assert found.of("login-action") == 70
    assert boot({"failure_retry": 2}).of("auto-login-action") == 60


def test_a_share_is_never_nothing() -> None:
    assert boot({"timeout": {"seconds": 2}, "failure_retry": 5}).of("login-action") == 1


def test_silence_is_named_by_job_over_device_over_the_default() -> None:
    named = {"lava-test-shell": {"seconds": 77}}
    assert boot().silence("login-action") == 30
    assert boot(connection={"seconds": 40}).silence("login-action") == 40
    assert boot(connection={"seconds": 40}).silence("auto-login-action") == 120
    assert boot(connections=named).silence("lava-test-shell") == 77


def test_only_the_word_true_skips() -> None:
    assert boot({"timeout": {"minutes": 1, "skip": True}}).skip
    assert not boot({"timeout": {"minutes": 1, "skip": False}}).skip
    assert not boot().skip


def test_the_bench_waits_half_a_minute_longer_but_never_for_a_job_that_is_over() -> None:
    assert steps({"timeout": {"minutes": 5}})[0].deadline == 330
    assert steps({"timeout": {"minutes": 300}})[0].deadline == 3630


def test_cleaning_up_has_5_minutes_unless_finalize_is_named() -> None:
    assert steps()[-1].timeouts.block == 300
    assert steps()[-1].deadline == 330
    named = steps(actions={"finalize": {"minutes": 1}, "power-off": {"seconds": 5}})[-1]
    assert (named.timeouts.block, named.timeouts.of("power-off")) == (60, 5)
    assert steps()[-1].timeouts.of("power-off") == 10
