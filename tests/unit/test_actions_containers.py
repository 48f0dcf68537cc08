"""Containers: their command lines, what is fetched and removed; shells and models in them."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from labq.actions.parameters import Docker, DockerLogin
from labq.actions.steps import docker
from labq.actions.steps.container_shell import overlay_mount
from labq.actions.steps.docker import Mount, container_of, method_options
from labq.actions.steps.work import Work
from labq.bench import placeholders
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError
from labq.domain.model_channels import feedback_channel, port_place, telnet
from labq.domain.plan import StepKind
from labq.hw.fake import FakeConsole, FakeSession
from labq.hw.session import Finished
from labq.jobdef.device import read_device
from labq.jobdef.parse import parse_job
from labq.jobdef.plan import build_plan
from tests.unit.jobs import text
from tests.unit.test_actions_flash import Bench, run

LATER = Deadline.after(60.0)
LABELS = ("--label=labq.run=1", "--label=labq.job=7", "--label=labq.device=board-01")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench."""
    return Bench(tmp_path)


def work(bench: Bench) -> Work:
    """Return the work of a step."""
    session = bench.session(StepKind.BOOT, "docker", {})
    return Work(session, deadlines=[LATER], numbers=[3, 2, 0])


def test_all_that_is_said_of_a_container_is_in_its_command_line(bench: Bench) -> None:
    asked = Docker.model_validate({"image": "i:1", "container_name": "adb", "network_from": "n"})
    container = replace(
        container_of(work(bench), "i:1", asked),
        global_options=("--host", "h"),
        options=("--cap-add=X",),
        workdir="/w",
        devices=("/dev/a",),
        mounts=(Mount(Path("/a"), "/b", read_only=True),),
        environment={"A": "b c"},
    )
    assert container.run("sh", "-c", "x y", terminal=True) == [
        *("docker", "--host", "h", "run", "--cap-add=X", "--interactive", "--tty", "--rm"),
        *("--name=adb-lava-7", "--init", *LABELS, "--network=container:n-lava-7"),
        *("--workdir=/w", "--device=/dev/a"),
        *("--mount=type=bind,source=/a,destination=/b,readonly", "--env=A=b c"),
        *("i:1", "sh", "-c", "x y"),
    ]
    assert container.execute("ls") == ["docker", "--host", "h", "exec", "adb-lava-7", "ls"]


def test_a_container_without_a_name_is_named_by_its_place_in_the_job(bench: Bench) -> None:
    container = container_of(work(bench), "busybox", Docker.model_validate({"image": "busybox"}))
    assert container.name == "lava-7-3.2"


def test_options_of_the_dictionary_are_flat_and_without_nulls(bench: Bench) -> None:
    session = work(bench).session
    part = {"global_options": [None], "options": ["-v", ["a", "b"], None]}
    dictionary = {"actions": {"test": {"methods": {"docker": part}}}}
    session.plan = replace(session.plan, dictionary=dictionary)  # type: ignore[misc]  # a fake's field
    assert method_options(session) == ((), ("-v", "a", "b"))


def test_an_image_is_fetched_and_what_an_earlier_try_left_removed(bench: Bench) -> None:
    made = work(bench)
    container = container_of(made, "busybox", Docker.model_validate({"image": "busybox"}))
    docker.prepare(made, container, LATER)
    docker.clean(made.session, LATER)
    remove = ("docker", "rm", "--force", "--volumes", "lava-7-3.2")
    assert isinstance(made.session, FakeSession)
    assert made.session.commands == [("docker", "pull", "busybox"), remove, remove]


def test_a_local_image_that_is_not_there_is_fetched(bench: Bench) -> None:
    made = work(bench)
    assert isinstance(made.session, FakeSession)
    made.session.finish = Finished(1, "No such image\n")
    asked = Docker.model_validate({"image": "busybox", "local": True})
    with pytest.raises(InfrastructureError, match="docker pull busybox ended with 1"):
        docker.fetch_image(made, container_of(made, "busybox", asked), LATER)
    assert [command[1] for command in made.session.commands] == ["image", "pull"]


def test_a_registrys_password_is_in_no_command_line_and_does_not_stay(bench: Bench) -> None:
    made = work(bench)
    login = DockerLogin(registry="r", user="u", password="top-secret")
    docker.pull(made, "r/i", LATER, login=login)
    session = made.session
    assert isinstance(session, FakeSession)
    folder = str(bench.folder / "docker-login")
    client = ("docker", "--config", folder)
    assert session.commands[0][4:] == (*client, "login", "--username", "u", "--password-stdin", "r")
    assert session.commands[1] == (*client, "pull", "r/i")
    assert "top-secret" not in repr(session.commands) + repr(session.lines)
    assert not Path(folder).exists()


SHELL = {"options": {"cpus": 1.5, "memory": 0, "privileged": False, "volumes": ["/a:/b"]}}


def test_a_shell_in_a_container_is_the_devices_console(bench: Bench) -> None:
    (bench.folder / "downloads/other").mkdir(parents=True)
    block = {"command": "bash -l", "prompts": ["root@lava"], "downloads-namespace": "other"}
    session = bench.session(StepKind.BOOT, "docker", SHELL, **block)
    session.memory["docker-image"] = {"name": "debian:trixie"}
    session.console().say(b"root@lava:/# ")
    run(session)
    (emulator,) = session.emulators
    assert (emulator.channel, emulator.has_terminal) == ("serial", True)
    downloads = f"source={bench.folder}/downloads/other,destination=/lava-downloads"
    assert emulator.argv == (
        *("docker", "run", "--cpus", "1.5", "--volume", "/a:/b", "--interactive", "--tty", "--rm"),
        *("--name=lava-7-3.1", "--init", *LABELS, "--hostname=lava"),
        *(f"--mount=type=bind,{downloads}", "debian:trixie", "bash", "-l"),
    )
    assert session.memory["prompts"] == ["root@lava"]


def test_a_container_needs_an_image(bench: Bench) -> None:
    block = {"command": "bash", "prompts": ["#"]}
    with pytest.raises(JobError, match="no image was deployed"):
        run(bench.session(StepKind.BOOT, "docker", SHELL, **block))


FVP = {
    "docker": {"name": "fvp:1", "local": True},
    "image": "/opt/FVP",
    "console_string": r"terminal_0: Listening for serial connection on port (?P<PORT>\d+)",
    "feedbacks": [r"(?P<NAME>terminal_1): Listening for serial connection on port (?P<PORT>\d+)"],
    "arguments": ["-C fname='{FIP}'", "-C dir={ARTIFACT_DIR}", "-C x={{y}}"],
    "license_variable": "LM_LICENSE_FILE=1@host",
    "commands": ["export A=1", "run $A"],
    "prompts": ["root@fvp"],
}
PRINTED = (
    b"terminal_1: Listening for serial connection on port 5001\r\n",
    b"terminal_0: Listening for serial connection on port 5000\r\n",
)


def _model(bench: Bench, **change: object) -> FakeSession:
    bench.image("fip", "fip.bin")
    session = bench.session(
        StepKind.BOOT, "fvp", {"options": {"networks": ["host"]}}, **FVP | change
    )
    boots = b"Linux version 6.1\r\nroot@fvp:~# "
    session.consoles["serial"] = FakeConsole([*(PRINTED if change else ()), boots])
    session.consoles["model"] = FakeConsole(PRINTED, channel="model")
    session.consoles["terminal_1"] = FakeConsole(channel="terminal_1")
    session.finish = Finished(0, "Fast Models [11.22]\nCopyright\n")
    return session


def test_a_model_runs_in_its_container_and_says_its_ports(bench: Bench) -> None:
    session = _model(bench)
    run(session)
    (emulator,) = session.emulators
    where = "/lava-7-3"
    mount = f"source={bench.folder}/common/fip/fip.bin,destination={where}/fip.bin"
    assert emulator.channel == "model"
    assert emulator.argv == (
        *("docker", "run", "--network", "host", "--interactive", "--tty", "--rm"),
        *("--name=lava-7-3", *LABELS, "--hostname=lava", f"--mount=type=bind,{mount}"),
        *("--env=LM_LICENSE_FILE=1@host", "fvp:1", "/opt/FVP"),
        *("-C", f"fname={where}/fip.bin", "-C", f"dir={where}", "-C", "x={y}"),
    )
    assert session.memory["placeholders"] == {
        "MODEL_CONTAINER": "lava-7-3",
        "MODEL_PORT": "5000",
        "MODEL_PORT_TERMINAL_1": "5001",
    }
    (execute,) = [one for one in session.commands if "exec" in one]
    assert execute[-1] == "set -ex\nexport A=1\nrun $A"
    versions = [one.details for one in session.results if one.case == "fvp-version"]
    assert versions[0]["fvp-version"] == "Fast Models [11.22]"


def test_a_model_without_telnet_is_its_own_console(bench: Bench) -> None:
    session = _model(bench, use_telnet=False)
    run(session)
    assert session.emulators[0].channel == "serial"
    assert session.memory["prompts"] == ["root@fvp"]


def test_a_name_that_no_image_has_is_the_jobs_fault(bench: Bench) -> None:
    with pytest.raises(JobError, match=r"\{BL1\} in .* is no image"):
        run(_model(bench, arguments=["-C a={BL1}"]))


def test_the_plan_has_the_consoles_that_a_boot_of_a_model_names() -> None:
    dictionary: dict[str, object] = {"actions": {"boot": {"methods": {"fvp": {"options": {}}}}}}
    device = read_device(dictionary, name="fvp-01", device_type="fvp")
    job = parse_job(text(device_type="fvp", actions=[{"boot": {"method": "fvp", **FVP}}]))
    made = build_plan(job, device, run=1, job=7, host="h", host_address="127.0.0.1")
    commands = {spec.channel: (spec.kind, spec.command, spec.primary) for spec in made.consoles}
    assert commands == {
        "console": ("pty", telnet("MODEL_PORT"), True),
        "terminal_1": ("pty", telnet("MODEL_PORT_TERMINAL_1"), False),
    }
    known = placeholders.values(
        Path("/r"), Path("/t"), {"placeholders": {"MODEL_CONTAINER": "c", "MODEL_PORT": "5"}}
    )
    filled = placeholders.in_command(made.consoles[0].command, known)
    assert filled == "docker exec --interactive --tty c telnet localhost 5"


def test_a_test_works_at_the_feedback_whose_namespace_it_names() -> None:
    dictionary: dict[str, object] = {"actions": {"boot": {"methods": {"fvp": {"options": {}}}}}}
    device = read_device(dictionary, name="fvp-01", device_type="fvp")
    talk = {"name": "talk", "prompts": ["#"], "script": [{"command": "ls"}]}
    actions = [
        {"boot": {"method": "fvp", **FVP}},
        {"test": {"interactive": [talk], "connection-namespace": "terminal_1"}},
    ]
    job = parse_job(text(device_type="fvp", actions=actions))
    made = build_plan(job, device, run=1, job=7, host="h", host_address="127.0.0.1")
    assert [one.channel for one in made.steps] == ["", "terminal_1", ""]
    assert [spec.namespace for spec in made.consoles if not spec.primary] == ["terminal_1"]


def test_the_overlay_is_unpacked_where_a_container_can_see_it(bench: Bench) -> None:
    source = bench.folder / "source/lava-7/bin"
    source.mkdir(parents=True)
    (source / "lava-test-runner").write_text("#!/bin/sh")
    archive = bench.folder / "overlay-1.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.add(source.parent, "./lava-7")
    session = bench.session(StepKind.BOOT, "docker", SHELL)
    session.memory |= {"overlay": str(archive), "overlay_root": "/lava-7"}
    mount = overlay_mount(session)
    assert mount is not None
    assert mount.target == "/lava-7"
    assert (mount.source / "bin/lava-test-runner").exists()


def test_a_feedback_without_a_name_is_counted() -> None:
    assert feedback_channel(r"port (?P<PORT>\d+)", 2) == "feedback-2"
    assert port_place("css.uart-1") == "MODEL_PORT_CSS_UART_1"
