"""Steps by the runner on a real bench, with a shell of this machine as the device."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.runner.step import Outcome
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
