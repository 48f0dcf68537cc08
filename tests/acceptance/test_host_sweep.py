"""`labq host sweep` on the real server: jobs on all devices of the host, arm after arm."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from tests.acceptance.conftest import Lab
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say

ARMS = ("--boots", "1", "--tests", "3", "--jobs", "3")


def test_a_sweep_measures_proposes_and_sets_the_ceiling(
    lab: Lab, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "job.yaml").write_text(shell_job(say("true", "case")))
    words = ("--definition", str(tmp_path / "job.yaml"), "--plot", str(tmp_path / "plot.svg"))
    done = lab.server.cli("host", "sweep", "local", *words, *ARMS, "--apply", "--json", seconds=200)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    arms = [(arm["boots"], arm["tests"], arm["jobs"], arm["failed"]) for arm in found["arms"]]
    assert arms == [(1, 3, 3, 0), (None, 3, 3, 0)]
    assert all(arm["seconds"] > 0 and arm["boot_seconds"] > 0 for arm in found["arms"])
    assert (found["proposal"], found["applied"]) == ({"boot": 1}, True)
    host = client.get("/hosts/local").json
    assert host["config"] == {"limits": {}, "ceilings": {"boot": 1}}
    assert ET.parse(tmp_path / "plot.svg").getroot().tag.endswith("svg")
    lab.server.cli("host", "set", "local", "--ceiling", "boot=auto")


def test_a_sweep_without_a_job_or_device_says_what_it_wants(lab: Lab, tmp_path: Path) -> None:
    done = lab.server.cli("host", "sweep", "local")
    assert done.returncode == 2
    assert "name a job by --definition, or qemu or uml by --device-type" in done.stderr
    (tmp_path / "job.yaml").write_text("device_type: rocket\n")
    done = lab.server.cli("host", "sweep", "local", "--definition", str(tmp_path / "job.yaml"))
    assert done.returncode == 2
    assert "host local has no device of type rocket" in done.stderr
    done = lab.server.cli("host", "sweep", "local", "--boots", "1,none")
    assert done.returncode == 2
    assert "is not a list of numbers like 1,2,4" in done.stderr
