"""Tests in containers, at other consoles of the device, and services beside it, on a real bench.

A program of the name `docker` stands in for the real one: it takes only what labq may say to it, and
runs the container's shell on this machine.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.runner.step import Outcome
from tests.integration.step_lab import MINIMAL, Runs, runs_on
from tests.integration.test_runner_steps import definition, interactive

DOCKER = r"""#!/bin/sh
echo "$*" >> "{log}"
[ "$1" = --host=lab ] && shift
case "$1" in
    pull | rm) exit 0 ;;
    compose)
        case "$*" in
            *" up --detach web") cat "$(dirname "$5")/.env" > "{log}.env" ;;
        esac
        exit 0
        ;;
    run) shift ;;
    *) echo "unknown command $1" >&2; exit 1 ;;
esac
while [ $# -gt 0 ]; do
    case "$1" in
        --mount=type=bind,source=*,destination=*)
            target=${{1##*destination=}}
            source=${{1#--mount=type=bind,source=}}
            mkdir -p "$(dirname "$target")"
            ln -sfn "${{source%%,destination=*}}" "$target"
            ;;
        --env=*) export "${{1#--env=}}" ;;
        --interactive | --tty | --rm | --init | --name=* | --label=* | --hostname=box) ;;
        bash) exec "$@" ;;
        -*) echo "unknown option $1" >&2; exit 125 ;;
    esac
    shift
done
"""
BOARD = """
{% set device_info = [{'board_id': '0123456789'}] %}
{% block parameters %}
  allow_test_services: true
{% endblock %}
{% block actions %}
  deploy: {methods: {image: null}}
  boot: {connections: {serial: null}, methods: {minimal: null}}
  test: {methods: {docker: {global_options: ['--host=lab'], options: [null, ['--hostname=box']]}}}
{% endblock %}
"""
TWO_CONSOLES = """
{% block commands %}
  connections:
    main: {connect: "cd {FOLDER} && exec env -u ENV PS1='labq-shell:$ ' sh -i", tags: [primary]}
    second: {connect: "cd {FOLDER} && exec env -u ENV PS1='second:$ ' sh -i"}
{% endblock %}
{% block actions %}
  boot: {connections: {serial: null}, methods: {minimal: null, new_connection: null}}
{% endblock %}
"""


@pytest.fixture
def runs(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Return a host with the stand-in for docker."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(DOCKER.format(log=tmp_path / "docker.log"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    settings = {"LABQ_FILE_FOLDERS": str(tmp_path)}
    with runs_on(tmp_path, redis_url, monkeypatch, **settings) as made:
        yield made


def said_to_docker(runs: Runs) -> list[str]:
    """Return the command lines of the stand-in."""
    return (runs.lab.folder / "docker.log").read_text().splitlines()


def test_definitions_run_in_a_container_with_services_beside_it(runs: Runs, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "files.tar", "w") as packed:
        packed.addfile(tarfile.TarInfo("compose.yaml"), io.BytesIO())
    repository = f"file://{tmp_path}/files.tar"
    service = {"name": "Web.1", "from": "url", "repository": repository, "path": "compose.yaml"}
    steps = (
        "lava-test-case serial --shell test $ANDROID_SERIAL = 0123456789",
        'lava-test-case connection --shell test -n "$LAVA_CONNECTION_COMMAND"',
        "lava-test-case stage --shell test -d $TMPDIR_OF_TEST/lava-1/0/tests/0_smoke",
    )
    block = definition(*steps)
    block["test"]["docker"] = {"image": "debian:12"}  # type: ignore[index]  # a mapping
    block["test"]["repeat"] = 2  # type: ignore[index]  # a mapping
    inside = tmp_path / "inside"
    ended = runs.run(
        [
            {"test": {"services": [{**service, "service": "web"}]}},
            MINIMAL,
            block,
            interactive({"command": "echo $((6*7))", "successes": [{"message": "42"}]}),
        ],
        variables=BOARD,
        context={"lava_test_results_dir": f"{inside}/lava-%s"},
        environment={"TMPDIR_OF_TEST": str(inside)},
    )
    assert ended.failure == ""
    assert set(ended.outcomes) == {Outcome.DONE}
    cases = [f"{one.suite}/{one.case}: {one.verdict}" for one in ended.results]
    for name in ("0_smoke/serial", "0_smoke/connection", "0_smoke/stage", "lava/0_smoke"):
        assert cases.count(f"{name}: pass") == 2, name
    lines = said_to_docker(runs)
    name = "lava-docker-test-shell-1-3"
    starts = [line for line in lines if " run " in line]
    assert len(starts) == 2
    asked = f"--host=lab run --hostname=box --interactive --tty --rm --name={name}"
    assert starts[0].startswith(asked)
    assert "--label=labq.run=1 --label=labq.job=1" in starts[0]
    assert starts[0].endswith("--env=PS1=docker-test-shell:$  debian:12 bash --norc -i")
    assert lines.count("--host=lab pull debian:12") == 2
    assert any("0_smoke" in line for line in ended.log("target"))
    assert [line.split(" --file")[0] for line in lines if line.startswith("compose -")] == [
        "compose --project-name lava-1-1-test-service-web-1"
    ] * 2
    assert lines[-1].endswith("down") or lines[-2].endswith("down")
    assert "TMPDIR_OF_TEST" in (tmp_path / "docker.log.env").read_text()


def test_tests_work_at_another_console_and_the_log_tells_the_two_apart(runs: Runs) -> None:
    minimal = {"boot": {**MINIMAL["boot"], "namespace": "one"}}
    second = {
        "method": "new_connection",
        "connection": "second",
        "prompts": ["second:"],
        "namespace": "two",
    }
    talk = interactive(
        {"command": "(sleep 2; echo late words) &"},
        {"command": "echo at $((6*7))", "name": "sum", "successes": [{"message": "at 42"}]},
        namespace="two",
    )
    talk["test"]["interactive"][0]["prompts"] = ["second:"]  # type: ignore[index]  # a mapping
    steps = ("lava-test-feedback --namespace two", "sleep 3", "lava-test-case a --result pass")
    there = definition("lava-test-case b --result pass", "echo $PS1")
    ended = runs.run(
        [
            minimal,
            {"boot": second},
            talk,
            {"test": {**definition(*steps)["test"], "namespace": "one"}},  # type: ignore[dict-item]  # a mapping
            {"test": {**there["test"], "namespace": "one", "connection-namespace": "two"}},  # type: ignore[dict-item]  # a mapping
        ],
        variables=TWO_CONSOLES,
    )
    assert ended.failure == ""
    assert ended.verdicts["0_talk/sum"] == "pass"
    assert ended.verdicts["0_smoke/a"] == "pass"
    assert ended.verdicts["1_smoke/b"] == "pass"
    assert "at 42" in ended.log("target")
    heard = [line for line in runs.lab.lines(ended.run) if line["lvl"] == "feedback"]
    assert [line["ns"] for line in heard if line["msg"] == "late words"] == ["two"]
