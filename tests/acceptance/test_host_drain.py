"""`labq host drain` by the server: what runs goes on to its end, nothing begins until `undrain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import complete
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say, wait_for_file
from tests.lab.waiting import until


@pytest.fixture(autouse=True)
def put_back(lab: Lab) -> Iterator[None]:
    """Let the host work again, also when a test failed."""
    yield
    lab.server.cli("host", "undrain", "local")


def test_a_drained_host_ends_what_it_runs_and_begins_nothing(
    lab: Lab, client: Client, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    running = client.submit(shell_job(say(wait_for_file(release), "held")))
    client.wait_for(running, "running")
    with ThreadPoolExecutor() as pool:
        words = ("host", "drain", "local", "--reason", "new cables", "--json")
        drain = pool.submit(lab.server.cli, *words)
        until(lambda: client.get("/hosts/local").json["health"] == "maintenance", "it is drained")
        waiting = client.submit(shell_job(say("true", "later")))
        assert not drain.done()
        release.touch()
        done = drain.result()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["host"] == "local"
    complete(client, client.finish(running))
    assert client.job(waiting)["state"] == "submitted"
    assert lab.server.cli("host", "undrain", "local").returncode == 0
    complete(client, client.finish(waiting))


def test_a_drain_that_takes_too_long_says_what_still_runs(
    lab: Lab, client: Client, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    running = client.submit(shell_job(say(wait_for_file(release), "held")))
    client.wait_for(running, "running")
    done = lab.server.cli("host", "drain", "local", "--timeout", "1")
    assert done.returncode == 1
    assert "host local: 1 runs are not over after 1 s" in done.stderr
    release.touch()
    complete(client, client.finish(running))
