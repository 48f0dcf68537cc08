"""Parts of a host started again with new code while a test runs: the run does not notice."""

from __future__ import annotations

from tests.chaos.conftest import Ground
from tests.chaos.test_kill import hold, judge, release
from tests.lab.waiting import until


def test_workers_and_bench_are_replaced_in_the_middle_of_a_test(ground: Ground) -> None:
    board, job = hold(ground, "test")
    words = ("host", "restart", "all", "local", "--state", str(ground.server.state))
    done = ground.server.cli(*words)
    assert done.returncode == 0, done.stderr
    assert "of the old workers finish the steps that they have" in done.stderr
    until(lambda: restarts(ground) == {"steps", "tests", "collect", "bench"}, "it is reported", 30)
    shown = release(ground, board, job, "test")
    judge(ground, board, shown)
    assert board.sessions() == 1
    (run,) = shown["runs"]
    assert {step["begins"] for step in run["steps"]} == {1}


def restarts(ground: Ground) -> set[str]:
    """Return the processes of the host that were started again because somebody asked for it."""
    host = ground.client.get("/hosts/local").json
    return {part["name"] for part in host["parts"] if "labq host restart" in part["reason"]}
