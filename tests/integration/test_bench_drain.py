"""Draining a host at once: runs end, devices are off, and nothing begins until it is undrained."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.benchlink.client import HoldLostError
from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType
from labq.domain.events import HoldState
from labq.domain.orders import ConfigOrder
from labq.domain.plan import PowerSpec
from tests.integration.bench_lab import Lab, a_lab, a_plan, until
from tests.lab.server import program


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def cli(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `labq host WORDS` on the machine of the host."""
    home = {"XDG_CONFIG_HOME": str(lab.folder / "home"), "LABQ_URL": ""}
    return subprocess.run(
        (program(), "host", *words),
        env={**lab.environment, **home},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def with_power(lab: Lab, run: int) -> PowerSpec:
    return PowerSpec(kind="command", off=(f"echo off >> {lab.folder}/power-{run}",))


def test_a_power_cut_ends_all_runs_and_powers_off_without_a_server(lab):
    for run in (1, 2):
        lab.announce(a_plan(run, power=with_power(lab, run)))
    sessions = [lab.step(1, 0), lab.step(2, 0)]
    done = cli(lab, "drain", "--now", "--reason", "the UPS is empty", "--json")
    assert done.returncode == 0, done.stderr
    assert "2 runs were ended" in json.loads(done.stdout)["detail"]
    for run, session in enumerate(sessions, start=1):
        with pytest.raises(HoldLostError, match="the UPS is empty"):
            session.console().read(Deadline.after(10))
        session.release()
        assert (lab.folder / f"power-{run}").read_text() == "off\n"
        until(lambda run=run: [event.next for event in lab.of_kind(run, "ended")] == [2, None])
        failure = lab.of_kind(run, "ended")[0].failure
        assert failure.type is ErrorType.INFRASTRUCTURE
    until(lambda: lab.reports[-1].drained == "the UPS is empty")

    lab.announce(a_plan(3))
    granted = []
    thread = threading.Thread(target=lambda: granted.append(lab.step(3, 0)))
    thread.start()
    until(lambda: lab.state(3) is HoldState.WAITING)
    lab.kill_bench()
    lab.start_bench()
    lab.reports.clear()
    until(lambda: lab.state(3) is HoldState.WAITING)
    assert not granted
    assert cli(lab, "undrain").returncode == 0
    thread.join(10)
    assert granted
    granted[0].release()
    until(lambda: not lab.reports[-1].drained)


def test_a_host_that_was_drained_works_again_after_a_reboot(lab):
    assert cli(lab, "drain", "--now").returncode == 0
    lab.kill_bench()
    path = lab.folder / "drained.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boot": "another"}))
    lab.start_bench()
    lab.announce(a_plan(1))
    lab.step(1, 0).release()


def test_the_server_drains_a_host_and_lets_it_work_again(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    lab.order(ConfigOrder(revision=1, drain="move of the rack"))
    with pytest.raises(HoldLostError, match="move of the rack"):
        boot.console().read(Deadline.after(10))
    boot.release()
    until(lambda: lab.reports[-1].drained == "move of the rack")
    lab.order(ConfigOrder(revision=2))
    until(lambda: not lab.reports[-1].drained)
    lab.announce(a_plan(2))
    lab.step(2, 0).release()
