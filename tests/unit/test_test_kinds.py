"""Consoles, containers and namespaces of tests: what the plan says, and how they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from labq.actions.boot.new_connection import NewConnectionParameters
from labq.actions.boot.new_connection import run as connect
from labq.actions.overlay.definition import read_definition
from labq.actions.parameters import Docker
from labq.actions.steps import compose, docker_shell
from labq.actions.steps.bring import Brought
from labq.actions.steps.shell_run import RunFacts, ShellRun
from labq.actions.steps.signals import Signal
from labq.actions.steps.work import Work, expired
from labq.actions.test.services import ServicesParameters
from labq.actions.test.services import check as check_services
from labq.actions.test.services import run as start_services
from labq.bench.log_lines import LogLines, Shown
from labq.benchlink.records import Kind, Record
from labq.domain.errors import JobError
from labq.domain.plan import ConsoleSpec, Plan
from labq.domain.verdicts import Level
from labq.hw.fake import FakeConsole, FakeSession, Say
from labq.hw.session import Finished
from labq.jobdef.device import read_device
from labq.jobdef.plan import build_plan
from labq.runner.step import attempt
from tests.unit import jobs, plans
from tests.unit.test_plan_overlays import block, brought, shell, talk

BOARD = {
    "device_info": [{"board_id": "0123"}],
    "commands": {
        "connections": {
            "uart0": {"connect": "telnet a 1", "tags": ["primary"]},
            "uart1": {"connect": "telnet a 2"},
        },
        "hard_reset": ["off", "on"],
        "power_off": "off",
    },
    "character_delays": {"boot": 5, "test": 10},
    "actions": {
        "deploy": {"methods": {"image": None}},
        "boot": {"methods": {"minimal": None, "new_connection": None}},
    },
}
MINIMAL = block("boot", "one", method="minimal", prompts="#")
SECOND = block("boot", "two", method="new_connection", connection="uart1", prompts="#")


def made(*actions: Mapping[str, object]) -> Plan:
    """Return the plan of these actions on a board with two consoles."""
    device = read_device(BOARD, name="board-01", device_type="board")
    spec = jobs.spec(actions=[dict(one) for one in actions], device_type="board")
    return build_plan(spec, device, run=1, job=77, host="local", host_address="10.9.8.7")


def contained(name: str, namespace: str = "one") -> dict[str, dict[str, object]]:
    """Return a docker test."""
    found = shell(name, namespace=namespace)
    return {"test": {**found["test"], "docker": {"image": "debian"}}}


def test_tests_work_at_the_console_that_a_boot_opened_for_their_namespace() -> None:
    there = shell("c", namespace="one")
    there["test"]["connection-namespace"] = "two"
    found = made(MINIMAL, SECOND, shell("a", namespace="one"), talk("two"), there)
    assert [step.channel for step in found.steps] == ["", "uart1", "", "uart1", "uart1", ""]
    assert {spec.channel: spec.namespace for spec in found.consoles} == {
        "uart0": "one",
        "uart1": "two",
    }


def test_a_test_in_a_container_has_a_console_and_an_overlay_of_its_own() -> None:
    found = made(MINIMAL, shell("a", namespace="one"), contained("b"), shell("c", namespace="one"))
    assert found.steps[2].channel == "docker-test-3"
    assert found.consoles[-1] == ConsoleSpec(
        channel="docker-test-3",
        kind="pty",
        primary=False,
        command="exec sh {FOLDER}/docker-test-3/start",
    )
    assert brought(found) == {
        1: [(0, [(0, "a")]), (2, [(2, "c")])],
        3: [(1, [(1, "b")])],
    }
    assert not found.steps[2].replays


@pytest.mark.parametrize(
    ("os", "shell_of_tests", "folder"),
    [
        ("debian", "/bin/bash", "/lava-%s"),
        ("ubuntu", "/bin/sh", "/lava-%s"),
        ("android", "/system/bin/sh", "/data/local/tmp/lava-%s"),
    ],
)
def test_the_os_of_a_deploy_picks_the_shell_of_its_tests(
    os: str, shell_of_tests: str, folder: str
) -> None:
    deploy = block("deploy", "", to="tmpfs", images={"a": {"url": "http://x/a"}}, os=os)
    boot = block("boot", "", method="qemu", prompts="#")
    spec = jobs.spec(actions=[deploy, boot, shell("a")])
    found = build_plan(spec, jobs.device(), run=1, job=7, host="local", host_address="10.9.8.7")
    overlay = found.steps[1].overlay
    assert overlay is not None
    assert (overlay.shell, overlay.results_dir) == (shell_of_tests, folder)


def test_tests_in_a_container_are_told_how_the_board_is_reached() -> None:
    assert docker_shell.environment_of(BOARD) == {
        "ANDROID_SERIAL": "0123",
        "LAVA_BOARD_ID": "0123",
        "LAVA_CONNECTION_COMMAND": "telnet a 1",
        "LAVA_CONNECTION_COMMAND_UART0": "telnet a 1",
        "LAVA_CONNECTION_COMMAND_UART1": "telnet a 2",
        "LAVA_HARD_RESET_COMMAND": "off && on",
        "LAVA_POWER_OFF_COMMAND": "off",
        "LAVA_BOOT_CHARACTER_DELAYS": "5",
        "LAVA_TEST_CHARACTER_DELAYS": "10",
    }


def test_the_container_of_a_test_is_called_as_lava_calls_it() -> None:
    step = plans.step("docker", {}, channel="docker-test-3", namespace="one")
    session = FakeSession(plans.plan([step]), step)
    overlay = Brought(Path("/run/overlay/lava-7"), "/lava-7", "/bin/sh", {})
    container = docker_shell.container(Work(session), Docker(image="debian:12"), overlay, "")
    assert container.run("bash", "--norc", "-i", terminal=True) == [
        "docker",
        "run",
        "--interactive",
        "--tty",
        "--rm",
        "--name=lava-docker-test-shell-7-3",
        "--init",
        "--label=labq.run=1",
        "--label=labq.job=7",
        "--label=labq.device=board-01",
        "--mount=type=bind,source=/run/overlay/lava-7,destination=/lava-7",
        "--env=PS1=docker-test-shell:$ ",
        "debian:12",
        "bash",
        "--norc",
        "-i",
    ]
    named = Docker(image="debian:12", container_name="box", network_from="other")
    container = docker_shell.container(Work(session), named, overlay, "")
    assert (container.name, container.network) == ("box-lava-7", "container:other-lava-7")


def test_the_time_of_a_test_in_a_container_is_the_tests_own() -> None:
    assert type(expired("lava-docker-test-shell", 5.0)).__name__ == "TestTimeoutError"


def connection(answer: bytes = b"second:~# ", **changes: object) -> FakeSession:
    """Return a session of a boot by `new_connection`."""
    step = plans.step("new_connection", {}, channel="uart1", namespace="two", **changes)
    consoles = (
        ConsoleSpec(channel="uart0", kind="pty", command="sh"),
        ConsoleSpec(channel="uart1", kind="pty", command="sh", primary=False, namespace="two"),
    )
    plan = plans.plan([step], consoles=consoles)
    uart = FakeConsole(answer=lambda _sent: [Say(answer)])
    return FakeSession(plan, step, consoles={"uart0": FakeConsole(), "uart1": uart})


def test_another_console_is_opened_without_a_wait_for_the_kernel() -> None:
    session = connection()
    connect(session, NewConnectionParameters(connection="uart1", prompts=["second:"]))
    assert session.memory["two/prompts"] == ["second:"]
    assert session.consoles["uart0"].sent == []
    assert [one.case for one in session.results] == [
        "connect-shell",
        "login-action",
        "kernel-messages",
    ]


def test_a_connection_that_the_device_does_not_have_is_named() -> None:
    with pytest.raises(JobError, match="no connection 'uart9'; it has: uart0, uart1"):
        connect(connection(), NewConnectionParameters(connection="uart9", prompts=["#"]))


def shell_run(*definitions: RunFacts) -> tuple[FakeSession, ShellRun]:
    """Return the results of a stage."""
    session = connection()
    return session, ShellRun(Work(session, clock=lambda: 0.0), definitions)


def test_feedback_of_a_namespace_without_a_console_is_an_error_in_the_log() -> None:
    session, run = shell_run()
    run.take(Signal("TESTFEEDBACK", ("two",)))
    assert not [text for level, text in session.lines if level is Level.ERROR]
    run.take(Signal("TESTFEEDBACK", ("three",)))
    assert (Level.ERROR, "there is no console of namespace 'three' to read") in session.lines


def test_cases_that_the_job_expects_fail_also_when_the_test_never_ran() -> None:
    mine = RunFacts(name="0_a", uuid="u", expected=("x",), is_expected_by_job=True)
    own = RunFacts(name="1_b", uuid="u", expected=("y",), is_expected_by_job=False)
    session, run = shell_run(mine, own)
    run.close()
    assert [(one.suite, one.case) for one in session.results] == [
        ("lava", "0_a"),
        ("0_a", "x"),
        ("lava", "1_b"),
    ]


@pytest.mark.parametrize(("step", "level"), [(2, ("target", None)), (0, ("feedback", "two"))])
def test_the_console_that_a_step_works_at_is_the_target(
    step: int, level: tuple[str, str | None]
) -> None:
    lines = LogLines("uart0", (), Shown({2: "uart1"}, {"uart1": "two"}))
    text = lines.feed(Record(0, 1, 0, 0.0, Kind.OUTPUT, "uart1", step, 0, b"x\n")).decode()
    assert f'"lvl": "{level[0]}"' in text
    assert (f'"ns": "{level[1]}"' in text) == (level[1] is not None)


def services(dictionary: Mapping[str, object], answer: Finished) -> FakeSession:
    """Return a session of test services."""
    step = plans.step("services", {})
    return FakeSession(plans.plan([step], dictionary), step, finish=answer)


def test_services_need_a_device_that_allows_them() -> None:
    parameters = ServicesParameters.model_validate({"services": []})
    with pytest.raises(JobError, match="allow_test_services: true"):
        start_services(services({}, Finished(0, "")), parameters)
    start_services(
        services({"parameters": {"allow_test_services": True}}, Finished(0, "")), parameters
    )


def test_doubled_names_of_services_are_refused() -> None:
    one = {"name": "a", "from": "git", "repository": "http://x/y.git", "path": "p"}
    parameters = ServicesParameters.model_validate({"services": [one, one]})
    (problem,) = check_services(parameters, {})
    assert problem.path == "services[1].name"


def test_services_are_stopped_in_reverse_and_a_failure_is_a_warning() -> None:
    session = services({}, Finished(1, "no daemon"))
    compose.remember(session, ["docker", "compose", "--project-name", "a", "down"])
    compose.remember(session, ["docker", "compose", "--project-name", "b", "down"])
    compose.stop_all(session, None)  # type: ignore[arg-type]  # the fake waits for nothing
    assert [command[3] for command in session.commands] == ["b", "a"]
    assert [level for level, _ in session.lines] == [Level.WARNING] * 2
    compose.stop_all(session, None)  # type: ignore[arg-type]  # the fake waits for nothing
    assert len(session.commands) == 2


def test_a_test_whose_timeout_is_skipped_does_not_fail_the_job() -> None:
    # A stage whose prompt never comes: the first thing that can expire.
    step = plans.step(
        "definitions",
        {"definitions": [{"from": "inline", "name": "a", "path": "p", "repository": {}}]},
        index=1,
        stage=0,
    )
    skipping = replace(step, timeouts=replace(step.timeouts, skip=True))
    for one, failed in ((step, True), (skipping, False)):
        session = FakeSession(plans.plan([one]), one, consoles={"serial": FakeConsole()})
        facts = [{"name": "0_a", "uuid": "u"}]
        session.memory = {"tests": {"0": facts}, "overlay_root": "/lava-7", "prompts": ["#"]}
        assert (attempt(session) is not None) == failed


def test_parameters_reach_the_script_as_lava_writes_them() -> None:
    document = {"params": {"A": None, "B-C": True}, "parameters": {"D": 1}}
    script = read_definition(document, {"D": "2"})
    assert script.parameters == {"A": "None", "B-C": "True", "D": "2"}
