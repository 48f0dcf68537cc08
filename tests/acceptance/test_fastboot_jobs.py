"""Whole jobs by fastboot: flashed, booted and tested; a worker killed and a job canceled meanwhile."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
import pytest

from labq.supervisor.virtual import loopback_address
from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import complete, verdicts
from tests.lab import parts
from tests.lab.client import Client
from tests.lab.devices import PROMPT
from tests.lab.jobs import Block, boot, definition, deploy, shell_test
from tests.lab.waiting import until

TYPE = "fastboot-board"
IMAGE = bytes(range(256)) * 4096 * 3
CHECK = f'test "$(sha256sum ~/by-name/rootfs)" = "{hashlib.sha256(IMAGE).hexdigest()}  $HOME/by-name/rootfs"'


@dataclass(slots=True)
class Boards:
    """Boards of this module's own, each on an address of its own."""

    lab: Lab
    names: list[str] = field(default_factory=list)

    def add(self, name: str, *options: str) -> str:
        """Add a board with these options to the running labq."""
        self.names.append(name)
        address = loopback_address(self.lab.folder / name, len(self.names))
        text = (
            f"{{% extends '{TYPE}.jinja2' %}}\n{{% set fastboot_address = '{address}' %}}\n"
            f"{{% set fastboot_board_options = {list(options)!r} %}}\n"
        )
        words = ("device", "add", name, "-", "--type", TYPE, "--health", "good")
        done = self.lab.server.cli(*words, stdin=text)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return name

    def retire(self) -> None:
        """Take the boards out: jobs of other tests must not land on one that stalls or hangs."""
        for name in self.names:
            done = self.lab.server.cli("device", "set", name, "--health", "maintenance")
            assert done.returncode == 0, (done.stdout, done.stderr)


@pytest.fixture
def boards(lab: Lab) -> Iterator[Boards]:
    """Return where to add boards that are gone after the test."""
    added = Boards(lab)
    yield added
    added.retire()


def flash(lab: Lab, **keys: object) -> Block:
    """Return a deploy of a boot image and a root file system."""
    images = {
        "boot": {"url": lab.files.add("boot.img", b"boot" * 1024)},
        "rootfs": {"url": lab.files.add("rootfs.img", IMAGE)},
    }
    return deploy("fastboot", images=images, **keys)


def job(lab: Lab, **keys: object) -> str:
    """Return a job that checks on the device what was flashed."""
    test = shell_test(f"lava-test-case flashed --shell '{CHECK}'")
    return definition(TYPE, flash(lab), boot("fastboot", prompts=[PROMPT]), test, **keys)


def clients(lab: Lab) -> list[int]:
    """Return the fastboot clients of the running labq."""
    found = psutil.Process(lab.server.pid).children(recursive=True)
    return [one.pid for one in found if one.is_running() and one.name() == "fastboot"]


def test_a_flashed_device_boots_and_tests_what_was_flashed(client: Client, lab: Lab) -> None:
    done = client.run(job(lab))
    complete(client, done)
    assert verdicts(client, done, "0_smoke") == {"flashed": "pass"}
    assert verdicts(client, done, "lava")["fastboot-flash-action"] == "pass"


def test_a_worker_killed_in_the_middle_of_a_flash_is_replaced(
    client: Client, lab: Lab, boards: Boards
) -> None:
    name = boards.add("fastboot-slow", "--stall-ms", "1500")
    number = client.submit(job(lab, device=name))
    (flashing,) = until(lambda: clients(lab), "the client is at work")
    os.kill(parts.find(lab.server.pid, "steps"), signal.SIGKILL)
    until(lambda: not psutil.pid_exists(flashing), "the client is gone")
    done = client.finish(number)
    complete(client, done)
    assert verdicts(client, done, "0_smoke") == {"flashed": "pass"}


def test_a_job_canceled_in_the_middle_of_a_flash_leaves_nothing(
    client: Client, lab: Lab, boards: Boards
) -> None:
    name = boards.add("fastboot-hung", "--hang-at", "flash")
    number = client.submit(job(lab, device=name))
    (flashing,) = until(lambda: clients(lab), "the client is at work")
    assert client.post(f"/jobs/{number}/cancel").status in (200, 202)
    done = client.finish(number)
    assert done["outcome"] == "canceled"
    assert not psutil.pid_exists(flashing)
    until(lambda: client.device(name)["state"] == "idle", "the device is idle")
