"""Files that a job leaves: the raw bytes of its consoles, and what commands of its device made."""

from __future__ import annotations

import json
from typing import Any

import zstandard

from tests.acceptance.outcomes import complete
from tests.lab.client import Client
from tests.lab.devices import PROMPT, shell_boot, shell_job
from tests.lab.jobs import definition, interactive, say
from tests.lab.waiting import until

CAMERA = """\
{% extends 'shell.jinja2' %}
{% set user_commands = {'snap': {'do': 'echo a picture > $LABQ_ARTIFACTS/shot.txt', 'undo': 'true'}} %}
"""


def submit(client: Client, text: str) -> dict[str, Any]:
    """Do a job that keeps its consoles."""
    body = {"definition": text, "options": {"artifacts": {"console": True}}}
    answer = client.post("/jobs", body)
    assert answer.status == 201, answer.text
    return complete(client, client.finish(answer.json["id"]))


def artifacts(client: Client, job: dict[str, Any], *names: str) -> dict[str, bytes]:
    """Return the job's files once these have come."""

    def found() -> list[dict[str, Any]] | None:
        listed: list[dict[str, Any]] = client.get(f"/jobs/{job['id']}/artifacts").json
        return listed if {one["name"] for one in listed} >= set(names) else None

    listed = until(found, f"{names} are stored", 30)
    return {one["name"]: client.ask("GET", f"/api/v1{one['url']}").body for one in listed}


def test_the_raw_bytes_of_a_console_are_kept_when_a_job_asks_for_it(client: Client) -> None:
    job = submit(client, shell_job(say("printf 'bell \\a and colour \\033[31m'", "raw")))
    (name,) = [
        f"console-{spec['channel']}.raw.zst"
        for spec in client.get(f"/jobs/{job['id']}/plan").json["consoles"]
    ]
    packed = artifacts(client, job, name)[name]
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    assert b"bell \a and colour \033[31m" in raw
    assert "token" not in client.get(f"/jobs/{job['id']}/plan").text


def test_a_command_of_the_device_leaves_a_file(client: Client) -> None:
    device = {
        "name": "shell-camera",
        "device_type": "shell",
        "host": client.device("shell-1")["host"],
        "template": CAMERA,
        "tags": ["camera"],
    }
    assert client.post("/devices", device).status == 201
    test = interactive(say("true", "nothing"), prompts=[PROMPT])
    snap = {"command": {"name": "snap"}}
    try:
        job = submit(client, definition("shell", shell_boot(), test, snap, tags=["camera"]))
        assert artifacts(client, job, "shot.txt")["shot.txt"] == b"a picture\n"
    finally:
        retired = json.dumps({"health": "retired", "reason": "the test is over"}).encode()
        kind = {"Content-Type": "application/json"}
        answer = client.ask("PATCH", "/api/v1/devices/shell-camera", retired, kind)
    assert answer.status == 200, answer.text


def test_a_job_that_does_not_ask_leaves_nothing(client: Client) -> None:
    job = complete(client, client.run(shell_job(say("echo hello", "greeting"))))
    assert client.get(f"/jobs/{job['id']}/artifacts").json == []
