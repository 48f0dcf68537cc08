"""Steps by the runner on a real bench, with a shell of this machine as the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.runner.step import Outcome
from tests.integration.bench_lab import until
from tests.integration.step_lab import MINIMAL, PROMPT, Runs, runs_on


@pytest.fixture
def runs(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Return a host."""
    with runs_on(tmp_path, redis_url, monkeypatch) as made:
        yield made


def interactive(*script: dict[str, object], **block: object) -> dict[str, object]:
    """Return a test block."""
    item = {"name": "talk", "prompts": [PROMPT], "script": list(script)}
    return {"test": {"interactive": [item], **block}}


def definition(*steps: str, **item: object) -> dict[str, object]:
    """Return a test block with one inline definition."""
    text = {
        "metadata": {"format": "Lava-Test Test Definition 1.0", "name": "smoke"},
        "run": {"steps": list(steps)},
    }
    made = {"repository": text, "from": "inline", "path": "smoke.yaml", "name": "smoke", **item}
    return {"test": {"definitions": [made]}}


def test_a_minimal_boot_and_an_interactive_test_pass(runs: Runs) -> None:
    ended = runs.run(
        [
            MINIMAL,
            interactive(
                {"command": "echo $((6*7))", "name": "sum", "successes": [{"message": "42"}]}
            ),
        ]
    )
    assert ended.failure == ""
    assert ended.outcomes == [Outcome.DONE] * 3
    assert ended.verdicts == {
        "lava/validate": "pass",
        "lava/login-action": "pass",
        "lava/kernel-messages": "pass",
        "0_talk/sum": "pass",
        "lava/0_talk": "pass",
        "lava/power-off": "pass",
        "lava/finalize": "pass",
    }


def test_a_monitor_reads_what_the_device_prints_after_an_earlier_test(runs: Runs) -> None:
    printed = "(sleep 0.5; echo BEGIN; echo 'Memory Pool - PASS'; echo 'THE END') &"
    monitor = {
        "name": "Z",
        "start": "BEGIN\r",
        "end": "THE END\r",
        "pattern": "(?P<test_case_id>[^\r\n]+) - (?P<result>PASS)\r",
        "fixupdict": {"PASS": "pass"},
    }
    ended = runs.run(
        [
            MINIMAL,
            interactive({"command": printed}),
            {"test": {"monitors": [monitor]}},
        ]
    )
    assert ended.failure == ""
    assert ended.verdicts["z/memory_pool"] == "pass"


def test_an_inline_definition_runs_in_the_shell(runs: Runs) -> None:
    ended = runs.run(
        [
            MINIMAL,
            definition(
                "lava-test-case one --result pass --measurement 1.5 --units s",
                "lava-test-case two --shell false",
                "lava-test-case three --shell 'echo in here'",
            ),
        ]
    )
    assert ended.failure == ""
    assert ended.verdicts["0_smoke/one"] == "pass"
    assert ended.verdicts["0_smoke/two"] == "fail"
    assert ended.verdicts["0_smoke/three"] == "pass"
    assert ended.verdicts["lava/0_smoke"] == "pass"


def test_a_block_is_tried_again_until_it_passes(runs: Runs) -> None:
    once = "if mkdir once; then echo BAD; else echo GOOD; fi"
    script = {
        "command": once,
        "successes": [{"message": "GOOD\r"}],
        "failures": [{"message": "BAD\r"}],
    }
    ended = runs.run([MINIMAL, interactive(script, failure_retry=3, failure_retry_interval=0)])
    assert ended.failure == ""
    assert [one.verdict.value for one in ended.results if one.case == "0_talk"] == ["fail", "pass"]


def test_a_repeated_block_fails_when_one_of_its_runs_fails(runs: Runs) -> None:
    once = "if mkdir once; then echo BAD; else echo GOOD; fi"
    script = {"command": once, "failures": [{"message": "BAD\r"}]}
    ended = runs.run([MINIMAL, interactive(script, repeat=3, failure_retry_interval=0)])
    assert ended.failure.startswith("Test: command ")
    verdicts = [one.verdict.value for one in ended.results if one.case == "0_talk"]
    assert verdicts == ["fail", "pass", "pass"]


def test_a_failing_step_goes_straight_to_collect(runs: Runs) -> None:
    ended = runs.run([MINIMAL, interactive({"command": "false-prompt; exit"}), MINIMAL])
    assert ended.failure.startswith("Infrastructure: the console closed:")
    assert ended.outcomes == [Outcome.DONE, Outcome.FAILED, Outcome.DONE]
    assert ended.verdicts["lava/power-off"] == "pass"


def test_a_boot_that_never_reaches_its_prompt_is_the_submitters_error(runs: Runs) -> None:
    boot = {"boot": {"method": "minimal", "prompts": ["never-comes"], "timeout": {"seconds": 2}}}
    ended = runs.run([boot])
    assert "Job: login-action timed out after 2 seconds: no prompt ('never-comes')" in ended.failure
    assert "labq-shell:$" in ended.failure
    assert ended.verdicts["lava/login-action"] == "fail"


def test_a_test_that_says_skip_goes_on_after_its_time_is_over(runs: Runs) -> None:
    slow = definition("lava-test-case a --result pass", "sleep 60")
    slow["test"]["timeout"] = {"seconds": 3, "skip": True}  # type: ignore[index]  # a mapping
    ended = runs.run([MINIMAL, slow, MINIMAL, interactive({"command": "true", "name": "later"})])
    assert ended.failure == ""
    assert ended.verdicts["lava/0_smoke"] == "fail"
    assert ended.verdicts["1_talk/later"] == "pass"
    assert any("going on" in text for text in ended.log("warning"))


def test_a_panic_in_the_middle_of_a_test_ends_the_job(runs: Runs) -> None:
    panic = "printf 'Kernel %s - not syncing: test\\n' panic; echo end Kernel panic; sleep 60"
    ended = runs.run([MINIMAL, definition(panic)])
    assert "Job: kernel panic: Kernel panic - not syncing: test" in ended.failure
    kernel = [one for one in ended.results if one.case == "kernel-messages"]
    assert [one.verdict.value for one in kernel] == ["pass", "fail"]


def test_a_failing_step_of_a_definition_fails_it_and_the_next_runs(runs: Runs) -> None:
    first, second = definition("false", "lava-test-case never --result pass"), definition("true")
    items = [*first["test"]["definitions"], {**second["test"]["definitions"][0], "name": "more"}]  # type: ignore[index]  # mappings
    ended = runs.run([MINIMAL, {"test": {"definitions": items}}])
    assert ended.failure == ""
    assert ended.verdicts["lava/0_smoke"] == "fail"
    assert ended.verdicts["lava/1_more"] == "pass"
    assert "0_smoke/never" not in ended.verdicts


def test_a_step_is_dropped_when_it_is_done_already(runs: Runs) -> None:
    plan = runs.plan([MINIMAL])
    runs.lab.announce(plan)
    assert runs.step(plan.run, 0) is Outcome.DONE
    assert runs.step(plan.run, 0) is Outcome.DROPPED


def test_a_killed_test_goes_on_from_its_journal_and_reports_once(runs: Runs) -> None:
    block = definition(
        "lava-test-case before --result pass",
        "while ! [ -e ../../../go ]; do sleep 0.05; done",
        "lava-test-case after --result pass",
    )
    plan = runs.plan([MINIMAL, block])
    runs.lab.announce(plan)
    assert runs.step(plan.run, 0) is Outcome.DONE
    victim = runs.spawn_step(plan.run, 1)
    until(lambda: any(one.case == "before" for one in runs.lab.of_kind(plan.run, "result")))
    victim.kill()
    victim.wait()
    (found,) = (runs.lab.folder / "runs").glob(f"*/files/lava-{plan.job}")
    (found / "go").touch()
    assert runs.step(plan.run, 1) is Outcome.DONE
    until(lambda: len(runs.lab.of_kind(plan.run, "ended")) == 2)
    names = [one.case for one in runs.lab.of_kind(plan.run, "result")]
    assert names.count("before") == names.count("after") == 1
    assert names.count("0_smoke") == 1
    typed = [text for text in runs.lab.messages(plan.run, "input") if "lava-test-runner" in text]
    assert len(typed) == 1


def test_a_definition_without_a_boot_or_deploy_before_it_is_refused(runs: Runs) -> None:
    ended = runs.run([definition("true")])
    assert ended.failure.startswith("Job: no overlay was made for this test")
