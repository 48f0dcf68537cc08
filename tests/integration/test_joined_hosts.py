"""Hosts in state folders of their own beside a running labq, over TLS, as Redis users without rights."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from labq.services import redis_access
from tests.integration.conductor_lab import DEFINITION
from tests.lab import hosts
from tests.lab.hosts import JoinedHost
from tests.lab.server import Server, free_port, running
from tests.lab.waiting import until

SHELL = "{% extends 'shell.jinja2' %}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of everything; its name is short, as sockets are in it."""
    return tmp_path_factory.mktemp("h")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """Return a running labq that lets hosts in by TLS."""
    settings = {"LABQ_HOSTS_ADDRESS": f"127.0.0.1:{free_port()}"}
    with running(folder, "shell=1", settings) as server:
        yield server


@pytest.fixture(scope="module")
def host(server: Server, folder: Path) -> Iterator[JoinedHost]:
    """Return a host that joined and runs, with a device."""
    joined = hosts.join(server, "far", folder)
    with hosts.running(server, joined):
        (folder / "shell.jinja2").write_text(SHELL)
        answer = server.cli(
            "device", "add", "far-1", str(folder / "shell.jinja2"), "--host", "far", "--tag", "far"
        )
        assert answer.returncode == 0, answer.stderr
        yield joined


def _run_job(server: Server, tag: str) -> dict[str, object]:
    text = DEFINITION.replace("visibility", f"tags: [{tag}]\nvisibility")
    made = server.cli("job", "submit", "-", "--json", stdin=text)
    assert made.returncode == 0, made.stderr
    number = str(json.loads(made.stdout)["id"])
    waited = server.cli("job", "wait", number, "--timeout", "60", seconds=90)
    assert waited.returncode == 0, waited.stdout + waited.stderr
    found: dict[str, object] = json.loads(server.cli("job", "show", number, "--json").stdout)
    return found


def _shown(server: Server, *words: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(server.cli(*words, "--json").stdout)
    return found


def test_a_job_runs_on_a_host_that_joined_over_tls(server: Server, host: JoinedHost) -> None:
    assert str(host.facts()["redis_url"]).startswith("rediss://host.far:")
    job = _run_job(server, "far")
    assert (job["host"], job["outcome"]) == ("far", "complete")
    log = server.cli("job", "log", str(job["id"])).stdout
    assert "hello" in log


def test_a_host_keeps_its_secrets_to_itself_and_has_none_of_the_server(host: JoinedHost) -> None:
    file = host.folder / "host.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "postgres" not in file.read_text()
    text = "".join(path.read_text(errors="replace") for path in host.folder.glob("log/*.log"))
    assert host.facts()["credential"] not in text
    assert host.facts()["redis_url"] not in text


def test_the_host_of_the_server_itself_has_no_more_rights_than_others(server: Server) -> None:
    facts = json.loads((server.state / "hosts" / "local" / "host.json").read_text())
    with redis_access.connect(facts["redis_url"] + _trust(server)) as client:
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("labq.generation")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.xadd("far.up", {"e": "x"})


def _trust(server: Server) -> str:
    facts = json.loads((server.state / "hosts" / "local" / "host.json").read_text())
    return (
        "" if "ssl_ca_certs" in facts["redis_url"] else f"?ssl_ca_certs={server.state}/tls/ca.pem"
    )


def test_the_same_folder_is_run_once(host: JoinedHost) -> None:
    answer = host.cli("host", "run", "far")
    assert answer.returncode == 1
    assert "serves the host folder" in answer.stderr


def test_a_second_machine_is_told_who_runs_the_host(
    server: Server, host: JoinedHost, folder: Path
) -> None:
    copy = hosts.machine(server, "copy", folder)
    target = copy.state / "hosts" / "far"
    shutil.copytree(host.folder, target, ignore=shutil.ignore_patterns("*.sock", "runs"))
    answer = copy.cli("host", "run", "far")
    assert answer.returncode == 1
    assert "host far is run by another machine" in answer.stderr
    assert _run_job(server, "far")["outcome"] == "complete"


def test_a_host_cannot_join_with_the_authority_of_another_server(
    server: Server, folder: Path
) -> None:
    other = hosts.machine(server, "lost", folder)
    words = hosts.invite(server, "lost")
    words[words.index("--ca") + 1] = "sha256:" + "0" * 64
    answer = other.cli(*words)
    assert answer.returncode == 1
    assert "another certificate authority" in answer.stderr
    assert not (other.folder / "host.json").exists()


def test_a_device_moves_and_its_jobs_run_on_the_new_host(server: Server, host: JoinedHost) -> None:
    moved = server.cli("device", "move", "far-1", "local", "--json")
    assert moved.returncode == 0, moved.stderr
    assert _run_job(server, "far")["host"] == "local"
    assert server.cli("device", "move", "far-1", host.name).returncode == 0
    assert _run_job(server, "far")["host"] == host.name


def test_revoking_cuts_off_a_host_that_runs(server: Server, folder: Path) -> None:
    joined = hosts.join(server, "brief", folder)
    with hosts.running(server, joined) as process:
        revoked = server.cli("host", "revoke", "brief")
        assert revoked.returncode == 0, revoked.stderr
        bench = joined.folder / "log" / "bench.log"
        until(lambda: "nothing can be shipped" in bench.read_text(), "the bench is refused")
        assert process.poll() is None
    row = _shown(server, "host", "show", "brief")
    assert (row["state"], row["health"]) == ("offline", "retired")
    refused = joined.cli("host", "run", "brief")
    assert refused.returncode == 1
    assert "does not let host brief in" in refused.stderr
