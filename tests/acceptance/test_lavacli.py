"""The real lavacli, from the package index, against a running labq: what it prints and how it ends."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Lab
from tests.lab.devices import shell_job
from tests.lab.jobs import say

PACKAGE = "lavacli==3.1.0"
INSTALL_SECONDS = 240
CALL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Lavacli:
    """The client, whose server it calls, and as whom."""

    program: Path
    uri: str
    user: str

    def __call__(self, *words: str, status: int = 0) -> str:
        """Return what a sub-command prints."""
        done = subprocess.run(
            (str(self.program), "--uri", self.uri, *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )
        assert done.returncode == status, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def json(self, *words: str) -> Any:
        """Return what a sub-command prints as JSON."""
        return json.loads(self(*words, "--json"))


@pytest.fixture(scope="module")
def lavacli(lab: Lab) -> Lavacli:
    """Return the client, installed once for all runs of the tests."""
    scheme, _, host = lab.server.url.partition("://")
    uri = f"{scheme}://{lab.server.user}:{lab.server.token}@{host}/RPC2"
    return Lavacli(_install(), uri, lab.server.user)


def _install() -> Path:
    """Return the program in a virtual environment that is kept in the cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "labq" / "clients" / f"{PACKAGE}-py{sys.version_info[0]}{sys.version_info[1]}"
    program = folder / "bin" / "lavacli"
    if not (folder / "installed").exists():
        for words in (
            (sys.executable, "-m", "venv", "--clear", str(folder)),
            (str(folder / "bin" / "pip"), "install", "--quiet", PACKAGE),
        ):
            subprocess.run(words, check=True, timeout=INSTALL_SECONDS, capture_output=True)
        (folder / "installed").touch()
    return program


def test_a_job_is_submitted_followed_and_looked_at(lavacli: Lavacli, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(shell_job(say("echo a word from the device", "greeting")))
    assert lavacli("jobs", "validate", str(file)) == ""
    job = lavacli("jobs", "submit", str(file)).strip()
    assert re.fullmatch(r"\d+", job)
    lavacli("jobs", "wait", job, "--polling", "1", "--timeout", "60")
    shown = lavacli.json("jobs", "show", job)
    assert (shown["state"], shown["health"], shown["visibility"]) == (
        "Finished",
        "Complete",
        "Public",
    )
    assert "a word from the device" in lavacli("jobs", "logs", job, "--raw")
    cases = lavacli.json("results", job, "lava")
    assert {case["name"] for case in cases} >= {"job", "validate"}
    assert job in lavacli("jobs", "list", "--health", "COMPLETE", "--since", "60")
    lavacli("jobs", "config", job, "--dest", str(tmp_path / "config"))
    assert (tmp_path / "config" / "device.yaml").read_text()


def test_a_job_that_is_refused_says_why(lavacli: Lavacli, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text("device_type: shell\nactions: []\n")
    assert "msg:" in lavacli("jobs", "validate", str(file), status=1)
    lavacli("jobs", "submit", str(file), status=1)
    lavacli("jobs", "show", "999999999", status=1)


def test_the_lab_is_looked_at_and_changed(lavacli: Lavacli, tmp_path: Path) -> None:
    assert lavacli("system", "version").startswith("2026.08")
    assert lavacli("system", "whoami").strip() == lavacli.user
    devices = {device["hostname"]: device for device in lavacli.json("devices", "list")}
    assert devices["shell-1"]["type"] == "shell"
    dictionary = tmp_path / "dictionary"
    dictionary.write_text(lavacli("devices", "dict", "get", "shell-1"))
    lavacli("devices", "dict", "set", "shell-1", str(dictionary))
    (worker, *_) = lavacli.json("workers", "list")
    assert lavacli.json("workers", "show", worker)["state"] == "Online"
