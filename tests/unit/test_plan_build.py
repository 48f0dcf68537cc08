"""Plans: blocks become steps, and everything that cannot run is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from labq.domain.errors import ErrorType, JobError
from labq.domain.plan import Plan, Queue, StepKind
from labq.jobdef.device import DeviceSpec, read_device
from labq.jobdef.parse import parse_job
from labq.jobdef.plan import build_plan
from tests.unit import jobs

DEPLOY = {"deploy": {"to": "tmpfs", "images": {"kernel": {"url": "http://x/k"}}}}
BOOT = {"boot": {"method": "qemu", "prompts": "#"}}
INLINE = {"from": "inline", "name": "a", "path": "a", "repository": {"metadata": {}}}
TEST = {"test": {"definitions": [INLINE]}}
TALK = {"test": {"interactive": [{"name": "x", "prompts": ["#"], "script": []}]}}


def plan(actions: list[Any], device: DeviceSpec | None = None, **changes: object) -> Plan:
    return build_plan(
        jobs.spec(actions=actions, **changes),
        device or jobs.device(),
        run=3,
        job=4,
        host="local",
        host_address="192.168.1.1",
    )


def refusal(actions: list[Any], device: DeviceSpec | None = None, **changes: object) -> str:
    with pytest.raises(JobError) as caught:
        plan(actions, device, **changes)
    assert caught.value.type is ErrorType.JOB
    assert str(caught.value).startswith("Invalid job data: ")
    return str(caught.value)


def kinds(made: Plan) -> list[str]:
    return [f"{step.kind}:{step.queue}:{step.action}" for step in made.steps]


def board(**commands: object) -> DeviceSpec:
    methods = {"deploy": {"methods": {"image": None}}, "boot": {"methods": {"qemu": {}}}}
    dictionary = {"actions": methods, "commands": {"connect": "serial:///dev/x", **commands}}
    return read_device(dictionary, name="board-01", device_type="board")


def test_a_job_without_actions_is_only_collected() -> None:
    made = plan([])
    assert kinds(made) == ["collect:collect:0"]
    assert made.collect == 0


def test_a_deploy_is_two_steps_and_each_other_block_is_one() -> None:
    made = plan([DEPLOY, BOOT, TEST, TALK])
    assert kinds(made) == [
        "download:download:1",
        "deploy:deploy:1",
        "boot:boot:2",
        "test:test:3",
        "test:test:4",
        "collect:collect:0",
    ]
    assert [step.index for step in made.steps] == list(range(6))
    assert [step.method for step in made.steps] == [
        "tmpfs", "tmpfs", "qemu", "definitions", "interactive", "collect",
    ]  # fmt: skip


def test_a_plan_says_whose_it_is() -> None:
    made = plan([], tags=["b", "a"], priority=7, secrets={"A": "xyz", "B": "", "C": "xyz"})
    assert (made.run, made.job, made.host, made.device) == (3, 4, "local", "board-01")
    assert (made.device_type, made.priority, made.tags) == ("qemu", 7, ("b", "a"))
    assert made.masks == ("xyz",)
    assert made.job_deadline == 600


def test_locks_are_the_device_and_what_it_shares_in_order() -> None:
    device = jobs.device(variables="{% set exclusive = ['usb-mux', 'bay-2'] %}")
    assert plan([], device).locks == ("bay-2", "board-01", "usb-mux")


def test_the_address_of_the_host_is_what_the_device_sees() -> None:
    assert plan([]).dictionary["host_address"] == "10.0.2.2"
    assert plan([], board()).dictionary["host_address"] == "192.168.1.1"


def test_steps_carry_their_part_of_the_dictionary_and_the_block_as_written() -> None:
    boot = plan([BOOT]).steps[0]
    assert boot.parameters == {"method": "qemu", "prompts": "#"}
    assert "parameters" in boot.device


def test_lost_steps_start_again_at_themselves() -> None:
    made = plan([DEPLOY, BOOT, TEST, TALK])
    assert [step.restart_from for step in made.steps] == [0, 1, 2, 3, 4, 5]
    assert [step.replays for step in made.steps] == [False, False, False, True, True, False]


def test_a_boot_of_a_device_without_reset_starts_again_at_its_deploy() -> None:
    assert plan([DEPLOY, BOOT], board()).steps[2].restart_from == 1
    assert plan([BOOT], board()).steps[0].restart_from == 0
    assert plan([DEPLOY, BOOT], board(hard_reset="reset")).steps[2].restart_from == 2


def test_a_boot_goes_back_to_the_deploy_of_its_own_namespace() -> None:
    actions = [
        {kind: {**block, "namespace": namespace}}
        for namespace, action in [("a", DEPLOY), ("b", DEPLOY), ("a", BOOT), ("c", BOOT)]
        for kind, block in action.items()
    ]
    assert [step.restart_from for step in plan(actions, board()).steps] == [0, 1, 2, 3, 1, 5, 6]


def test_commands_of_the_device_are_deploy_steps() -> None:
    device = board(users={"relay": {"do": "relay on"}}, hard_reset="reset")
    made = plan([{"command": {"name": "relay"}}, {"command": {"name": "hard_reset"}}], device)
    assert kinds(made)[:2] == ["deploy:deploy:1", "deploy:deploy:2"]
    assert made.steps[0].method == "command"
    assert "no command 'dance', it has: relay, hard_reset" in refusal(
        [{"command": {"name": "dance"}}], device
    )


def test_a_block_is_tried_as_often_as_it_says() -> None:
    made = plan([{"boot": {**BOOT["boot"], "failure_retry": 3, "failure_retry_interval": 5}}])
    assert (made.steps[0].tries, made.steps[0].tries_interval, made.steps[0].repeat) == (3, 5, 1)
    made = plan([{"deploy": {**DEPLOY["deploy"], "repeat": 2}}])
    assert [(step.tries, step.repeat) for step in made.steps[:2]] == [(1, 1), (1, 2)]


def test_the_device_and_the_context_say_how_often_without_a_word_of_the_block() -> None:
    device = jobs.device(variables="{% set failure_retry = 2 %}{% set boot_retry = 4 %}")
    assert [step.tries for step in plan([DEPLOY, BOOT], device).steps] == [2, 2, 4, 1]
    made = plan([DEPLOY, BOOT], context={"failure_retry": "3"})
    assert [step.tries for step in made.steps] == [3, 3, 3, 1]
    repeated = {"boot": {**BOOT["boot"], "repeat": 2}}
    assert [step.tries for step in plan([repeated], device).steps] == [1, 1]


@pytest.mark.parametrize("value", [0, -1, "many"])
def test_senseless_tries_are_refused(value: object) -> None:
    assert "context.boot_retry: must be a number" in refusal([], context={"boot_retry": value})
    assert "actions[0].boot.repeat" in refusal([{"boot": {**BOOT["boot"], "repeat": value}}])


def test_a_block_is_either_tried_or_repeated() -> None:
    block = {"boot": {**BOOT["boot"], "repeat": 2, "failure_retry": 2}}
    assert "actions[0].boot.repeat (line 8): cannot stand together" in refusal([block])


@pytest.mark.parametrize(
    ("action", "path", "known"),
    [
        ({"deploy": {"to": "floppy"}}, "actions[0].deploy.to", "tftp, tmpfs"),
        ({"boot": {"method": "lxc"}}, "actions[0].boot.method", "qemu"),
    ],
)
def test_a_method_of_no_server_is_named_with_those_that_run(
    action: object, path: str, known: str
) -> None:
    message = refusal([action])
    assert f"{path} (line 8): this server cannot run" in message
    assert known in message.partition("it can run: ")[2]


def test_a_method_of_another_device_is_named_with_those_of_this_one() -> None:
    message = refusal([{"boot": {"method": "minimal"}}])
    assert "device board-01 has no boot method minimal, it has: qemu" in message
    assert "no deploy method tftp, it has: image" in refusal([{"deploy": {"to": "tftp"}}])


def test_a_download_needs_no_word_of_the_device() -> None:
    images = {"kernel": {"url": "http://x/k"}}
    made = plan([{"deploy": {"to": "download", "images": images}}])
    assert kinds(made)[:2] == ["download:download:1", "deploy:deploy:1"]


def test_everything_wrong_is_told_at_once() -> None:
    message = refusal(
        [
            {"deploy": {"to": "tmpfs", "images": {}}},
            {"deploy": {"to": "tmpfs", "images": {"a": {"url": ""}}, "timeouts": {"x": 5}}},
            {"boot": {"method": "kvm"}},
            {"test": {"definitions": [INLINE, INLINE]}},
        ],
        context={"arch": "m68k", "lava_test_results_dir": "/results"},
    )
    for part in (
        "actions[0].deploy.images",
        "actions[1].deploy.images.a.url",
        "actions[1].deploy.timeouts.x",
        "actions[2].boot.method",
        "actions[3].test.definitions[1].name",
        "context.arch",
        "context.lava_test_results_dir",
    ):
        assert part in message


def test_namespaces_are_for_all_blocks_or_none() -> None:
    named = {"boot": {**BOOT["boot"], "namespace": "dut"}}
    assert plan([named]).steps[0].namespace == "dut"
    assert "actions[1].test (line 12): needs a namespace" in refusal([named, TEST])
    for name in ("common", "docker-test-shell"):
        reserved = {"boot": {**BOOT["boot"], "namespace": name}}
        assert f"actions[0].boot.namespace (line 8): the namespace {name!r} is reserved" in refusal(
            [reserved]
        )


def test_a_block_may_use_the_connection_of_another_namespace() -> None:
    block = {"boot": {**BOOT["boot"], "namespace": "a", "connection-namespace": "b"}}
    assert plan([block]).steps[0].connection_namespace == "b"


def test_multinode_jobs_are_refused_by_name() -> None:
    protocols = {"lava-multinode": {"roles": {"a": {"device_type": "qemu", "count": 1}}}}
    assert "multinode" in refusal([], protocols=protocols)


def test_the_same_job_makes_the_same_plan() -> None:
    spec = parse_job(jobs.read_text("qemu"))
    device = jobs.device("qemu", context=spec.context)
    made = [build_plan(spec, device, run=1, job=2, host="a", host_address="b") for _ in range(2)]
    assert made[0] == made[1]


def test_kinds_of_steps_are_those_of_their_methods() -> None:
    step = plan([TEST]).steps[0]
    assert (step.kind, step.queue) == (StepKind.TEST, Queue.TEST)
