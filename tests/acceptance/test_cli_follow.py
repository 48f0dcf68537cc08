"""What the command line shows of jobs that run, and how it exits by their outcome."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.acceptance.conftest import Lab
from tests.lab.devices import shell_job
from tests.lab.jobs import say
from tests.lab.server import program

DEMO_SECONDS = 240


def test_following_a_good_job_shows_its_log_and_exits_0(lab: Lab) -> None:
    text = shell_job(say("echo hello from the device", "hello"))
    answer = lab.server.cli("job", "submit", "--follow", "-", stdin=text, seconds=120)
    assert answer.returncode == 0, answer.stderr
    assert "hello from the device" in answer.stdout
    assert "complete in" in answer.stderr


def test_following_a_bad_job_exits_1_and_names_the_error(lab: Lab) -> None:
    text = shell_job(say("sleep 600", "silence"), timeout_seconds=3)
    answer = lab.server.cli("job", "submit", "--follow", "-", stdin=text, seconds=120)
    assert answer.returncode == 1, answer.stdout
    assert "incomplete in" in answer.stderr
    assert "Test error" in answer.stderr


def test_a_finished_log_is_the_same_followed_stored_and_raw(lab: Lab) -> None:
    text = shell_job(say("seq 1 300", "count"))
    answer = lab.server.cli("job", "submit", "--wait", "--json", "-", stdin=text, seconds=120)
    job = str(json.loads(answer.stdout)["id"])
    followed = lab.server.cli("job", "log", job, "--follow", "--json").stdout.splitlines()
    stored = lab.server.cli("job", "log", job, "--json").stdout.splitlines()
    raw = lab.server.cli("job", "log", job, "--raw").stdout.splitlines()
    assert followed == stored
    assert [json.loads(line)["message"] for line in stored] == [
        json.loads(line.removeprefix("- "))["msg"] for line in raw
    ]
    console = lab.server.cli("job", "log", job, "--level", "target", "--plain").stdout.splitlines()
    assert [str(number) for number in range(1, 301)] == [line for line in console if line.isdigit()]


def test_the_demo_boots_a_kernel_shows_timings_and_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    plain = {name: text for name, text in os.environ.items() if not name.startswith("LABQ_")}
    homes = {"XDG_CONFIG_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    answer = subprocess.run(
        [program(), "demo", "--device", "uml", "--json"],
        env={**plain, **homes},
        capture_output=True,
        text=True,
        timeout=DEMO_SECONDS,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    told = json.loads(answer.stdout)
    verdicts = {case["name"]: case["result"] for case in told["results"]}
    assert verdicts["kernel-is-linux"] == "pass"
    assert verdicts["swap"] == "skip"
    assert {"queue", "boot minimal", "collect"} <= {row["name"] for row in told["timings"]}
    assert not (tmp_path / "labq-demo" / "server.json").exists()
