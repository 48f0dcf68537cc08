"""Which block brings which tests, how they are numbered, and what they find in the environment."""

from __future__ import annotations

from typing import Any

from labq.domain.plan import OverlaySpec, Plan
from labq.jobdef.device import DeviceSpec
from labq.jobdef.plan import build_plan
from tests.unit import jobs


def deploy(namespace: str = "") -> dict[str, Any]:
    return block("deploy", namespace, to="tmpfs", images={"a": {"url": "http://x/a"}})


def boot(namespace: str = "") -> dict[str, Any]:
    return block("boot", namespace, method="qemu", prompts="#")


def shell(*names: str, namespace: str = "", **changes: object) -> dict[str, Any]:
    definitions = [
        {"from": "inline", "name": name, "path": "p", "repository": {"metadata": {}}, **changes}
        for name in names
    ]
    return block("test", namespace, definitions=definitions)


def talk(namespace: str = "") -> dict[str, Any]:
    return block("test", namespace, interactive=[{"name": "x", "prompts": ["#"], "script": []}])


def block(kind: str, namespace: str, **keys: object) -> dict[str, Any]:
    return {kind: {**keys, "namespace": namespace} if namespace else keys}


def plan(*actions: dict[str, Any], device: DeviceSpec | None = None, **changes: object) -> Plan:
    spec = jobs.spec(actions=list(actions), **changes)
    return build_plan(
        spec, device or jobs.device(), run=1, job=77, host="local", host_address="10.9.8.7"
    )


def brought(made: Plan) -> dict[int, list[tuple[int, list[tuple[int, str]]]]]:
    """Return {action: [(stage, [(index, name)])]} of every deploy, boot and test with an overlay."""
    return {
        step.action: [
            (stage.stage, [(test.index, test.name) for test in stage.definitions])
            for stage in step.overlay.stages
        ]
        for step in made.steps
        if step.overlay is not None
    }


def overlay(made: Plan) -> OverlaySpec:
    return next(step.overlay for step in made.steps if step.overlay is not None)


def test_work_on_downloads_in_a_container_has_the_tests_that_a_later_deploy_brings() -> None:
    docker = {"image": "tools", "steps": ["cp overlay*.tar.gz overlay.tar.gz"]}
    images = {"a": {"url": "http://x/a"}}
    worked_on = block("deploy", "", to="downloads", images=images, postprocess={"docker": docker})
    plain = block("deploy", "", to="downloads", images=images)
    tests = [(0, [(0, "a")])]
    assert brought(plan(worked_on, deploy(), boot(), shell("a"))) == {1: tests, 2: tests}
    assert brought(plan(plain, deploy(), boot(), shell("a"))) == {2: tests}


def test_a_deploy_brings_all_tests_until_the_next_one() -> None:
    made = plan(deploy(), boot(), shell("a", "b"), shell("c"), deploy(), boot(), shell("d"))
    assert brought(made) == {
        1: [(0, [(0, "a"), (1, "b")]), (1, [(2, "c")])],
        5: [(2, [(3, "d")])],
    }
    assert [step.stage for step in made.steps if step.stage is not None] == [0, 1, 2]


def test_download_and_deploy_step_both_know_the_overlay() -> None:
    made = plan(deploy(), shell("a"))
    assert made.steps[0].overlay == made.steps[1].overlay != None  # noqa: E711  # chained on purpose


def test_a_deploy_without_tests_brings_nothing() -> None:
    assert brought(plan(deploy(), deploy(), boot(), shell("a"))) == {2: [(0, [(0, "a")])]}
    assert brought(plan(deploy(), boot(), talk())) == {}


def test_without_a_deploy_the_first_boot_or_test_brings_the_tests() -> None:
    assert brought(plan(boot(), shell("a"), boot(), shell("b"))) == {
        1: [(0, [(0, "a")]), (1, [(1, "b")])]
    }
    assert brought(plan(shell("a"), boot(), shell("b"))) == {1: [(0, [(0, "a")]), (1, [(1, "b")])]}


def test_namespaces_number_their_tests_apart() -> None:
    made = plan(
        deploy("x"), deploy("y"), shell("a", namespace="x"), shell("b", namespace="y"),
        shell("c", namespace="x"),
    )  # fmt: skip
    assert brought(made) == {1: [(0, [(0, "a")]), (1, [(1, "c")])], 2: [(0, [(0, "b")])]}
    assert {step.overlay.namespace for step in made.steps if step.overlay} == {"x", "y"}


def test_only_shell_tests_count_as_stages() -> None:
    made = plan(deploy(), boot(), talk(), shell("a"), talk(), shell("b"))
    stages = [step.stage for step in made.steps if step.kind == "test"]
    assert stages == [0, 0, 1, 1]


def test_a_definition_keeps_what_its_item_says() -> None:
    made = plan(
        deploy(),
        shell(
            "a",
            parameters={"N": 3, "YES": True, "URL": None},
            revision="0123",
            history=False,
            skip_install=["deps"],
            expected=["x"],
            **{"lava-signal": "kmsg"},
        ),
    )
    (test,) = overlay(made).stages[0].definitions
    assert (test.parameters, test.revision) == (
        {"N": "3", "YES": "True", "URL": "None"},
        "0123",
    )
    assert (test.shallow, test.history, test.kmsg) == (False, False, True)
    assert (test.skip_install, test.expected) == (("deps",), ("x",))


def test_a_definition_without_a_revision_is_cloned_shallow() -> None:
    (test,) = overlay(plan(deploy(), shell("a"))).stages[0].definitions
    assert test.shallow
    assert test.expected is None
    assert not test.kmsg


def test_the_environment_comes_from_device_job_and_run() -> None:
    device = jobs.device(
        variables="{% set environment = {'A': 1, 'B': 2} %}"
        "{% set static_info = [{'board_id': '7'}, {'ip': '1.2.3.4'}] %}"
        "{% set device_info = [{'board_id': '8'}] %}"
    )
    made = plan(deploy(), shell("a"), device=device, environment={"B": "job"}, tags=["usb", "hdmi"])
    assert overlay(made).environment == {
        "A": "1",
        "B": "job",
        "LAVA_DEVICE_INFO_0_board_id": "8",
        "LAVA_STATIC_INFO_0_board_id": "7",
        "LAVA_STATIC_INFO_1_ip": "1.2.3.4",
        "LAVA_JOB_ID": "77",
        "LAVA_DISPATCHER_IP": "10.0.2.2",
        "LAVA_DISPATCHER_PREFIX": "",
        "LAVA_JOB_TAGS": "usb,hdmi",
        "LAVA_DEVICE_HOSTNAME": "board-01",
        "LAVA_DEVICE_TYPE": "qemu",
    }


def test_secrets_are_in_the_overlay_and_masked() -> None:
    made = plan(deploy(), shell("a"), secrets={"TOKEN": "xyz"})
    assert overlay(made).secrets == {"TOKEN": "xyz"}
    assert made.masks == ("xyz",)


def test_shell_and_folder_are_the_device_s_unless_the_job_says_where() -> None:
    made = plan(deploy(), shell("a"))
    assert (overlay(made).shell, overlay(made).results_dir) == ("/bin/sh", "/lava-%s")
    moved = plan(deploy(), shell("a"), context={"lava_test_results_dir": "/tmp/lava-%s"})
    assert overlay(moved).results_dir == "/tmp/lava-%s"
