"""Multinode jobs on shell devices: members begin together, tell each other things, end together."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import complete, incomplete, messages, verdicts
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.groups import group, role
from tests.lab.jobs import say, wait_for_file
from tests.lab.waiting import until

ALL = 4
"""Shell devices of the lab."""


def members(client: Client, first: int, count: int) -> list[dict[str, Any]]:
    """Return the finished jobs of a group."""
    return [client.finish(first + place) for place in range(count)]


def saw(client: Client, job: int, text: str) -> bool:
    """Tell whether a line is in the stored log of a job."""
    return text.encode() in client.stored(job)


def kill(lab: Lab, part: str) -> None:
    """End a part at once; another one is at work when this returns."""
    pid = parts.find(lab.server.pid, part)
    os.kill(pid, signal.SIGKILL)

    def is_back() -> bool:
        try:
            return parts.find(lab.server.pid, part) != pid
        except AssertionError:
            return False

    until(is_back, f"{part} is started again", 60)


MEETING = {
    "server": [
        "lava-send ready ip=10.0.0.1 port=80",
        "lava-wait-all done client",
        """echo "answer: $(sort $LAVA_MULTI_NODE_CACHE | tr '\\n' ' ')\"""",
        "lava-sync end",
    ],
    "client": [
        "lava-wait ready",
        'echo "answer: $(cat $LAVA_MULTI_NODE_CACHE | head -n 1)"',
        "lava-send done me=$(lava-self)",
        "lava-sync end",
    ],
}


def test_members_of_all_roles_tell_each_other_and_meet(client: Client) -> None:
    text = group({"server": role(), "client": role(2)}, MEETING)
    first = client.submit(text)
    server, *clients = [complete(client, job) for job in members(client, first, 3)]
    reserved = {job["runs"][0]["reserved_at"] for job in (server, *clients)}
    assert len(reserved) == 1
    told = messages(client, server, "target")
    assert f"answer: {first}.1:me={first}.1 {first}.2:me={first}.2 " in told
    for one in clients:
        assert f"answer: {first}.0:ip=10.0.0.1" in messages(client, one, "target")
        lava = verdicts(client, one, "lava")
        calls = {name: found for name, found in lava.items() if name.startswith("multinode-")}
        names = ("multinode-wait-ready", "multinode-send-done", "multinode-sync-end")
        assert calls == dict.fromkeys(names, "pass")


def test_groups_that_want_the_same_devices_all_run(client: Client) -> None:
    text = group({"all": role(ALL - 1)}, {"all": ["lava-sync met"]})
    groups = [client.submit(text) for _ in range(3)]
    singles = [client.submit(shell_job(say("true"))) for _ in range(2)]
    for first in groups:
        found = [complete(client, job) for job in members(client, first, ALL - 1)]
        assert len({job["runs"][0]["device"] for job in found}) == ALL - 1
        assert len({job["runs"][0]["reserved_at"] for job in found}) == 1
    for job in singles:
        complete(client, client.finish(job))


@pytest.mark.parametrize("part", ["conductor", "tests", "bench"])
def test_messages_survive_the_death_of_what_carries_them(
    client: Client, lab: Lab, tmp_path: Path, part: str
) -> None:
    release = tmp_path / "release"
    text = group(
        {"early": role(), "late": role()},
        {
            "early": ["lava-send first", "lava-sync met", "lava-test-case after --result pass"],
            "late": ["lava-wait first", "echo waits-now", wait_for_file(release), "lava-sync met"],
        },
        seconds=100,
    )
    first = client.submit(text)
    until(lambda: saw(client, first, "API <LAVA_SYNC> met"), "the early one waits", 60)
    until(lambda: saw(client, first + 1, "waits-now"), "the late one works", 60)
    kill(lab, part)
    release.touch()
    early, late = [complete(client, job) for job in members(client, first, 2)]
    assert verdicts(client, early, "0_early") == {"after": "pass"}
    for job in (early, late):
        count = Counter((case["suite"], case["name"]) for case in client.results(job["id"]))
        assert set(count.values()) == {1}
        assert verdicts(client, job, "lava")["multinode-sync-met"] == "pass"


def test_when_an_essential_member_fails_all_others_are_canceled(client: Client) -> None:
    text = group(
        {"server": role(essential=True), "client": role(2)},
        {
            "server": ["lava-wait up", "lava-test-raise no"],
            "client": ["lava-send up", "lava-wait x"],
        },
    )
    first = client.submit(text)
    server, *clients = members(client, first, 3)
    assert server["error"]["type"] == "Test"
    for job in clients:
        assert job["outcome"] == "canceled"
        assert f"job {first}.0, which is essential, ended incomplete" in job["error"]["message"]


def test_a_wait_that_nobody_ends_is_a_test_error_of_that_member_alone(client: Client) -> None:
    text = group(
        {"server": role(), "client": role()},
        {"server": ["true"], "client": ["lava-wait never"]},
        seconds=5,
    )
    server, waiting = members(client, client.submit(text), 2)
    complete(client, server)
    assert "lava-wait never timed out" in incomplete(client, waiting, "Test")
    assert verdicts(client, waiting, "lava")["multinode-wait-never"] == "fail"


def test_a_group_is_canceled_and_sent_again_as_a_whole(client: Client, tmp_path: Path) -> None:
    holder = client.submit(shell_job(say(wait_for_file(tmp_path / "release"))))
    client.wait_for(holder, "running")
    text = group({"all": role(ALL)}, {"all": ["lava-sync met"]})
    first = client.submit(text)
    assert client.post(f"/jobs/{first + 2}/cancel").status == 200
    for job in members(client, first, ALL):
        assert (job["outcome"], job["runs"]) == ("canceled", [])
    again = client.post(f"/jobs/{first + 1}/resubmit").json["id"]
    shown = client.job(again)
    assert [one["id"] for one in shown["group"]["members"]] == [
        f"{again}.{place}" for place in range(ALL)
    ]
    (tmp_path / "release").touch()
    for job in members(client, again, ALL):
        complete(client, job)
    overdue = group({"all": role(ALL)}, {"all": ["true"]}, priority=0)
    hold = client.submit(shell_job(say(wait_for_file(tmp_path / "later"))))
    client.wait_for(hold, "running")
    body = {"definition": overdue, "options": {"queue_seconds": 1}}
    late = client.post("/jobs", body).json["id"]
    for job in members(client, late, ALL):
        assert "queue timeout" in job["error"]["message"]
    (tmp_path / "later").touch()
    client.finish(hold)
