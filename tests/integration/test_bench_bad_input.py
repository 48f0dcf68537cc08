"""What a bench cannot use is refused by name, and harms nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.domain.errors import ErrorType
from labq.domain.orders import RunOrder
from labq.domain.plan import Plan
from labq.plans import dump_plan
from tests.integration.bench_lab import Lab, a_lab, a_plan, until


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def order(lab: Lab, plan: Plan, text: str) -> None:
    """Announce a run with a text in place of its plan."""
    lab.order(
        RunOrder(run=plan.run, epoch=1, next=0, device=plan.device, digest="", plan=text),
    )


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        (
            json.dumps({"format": 99, "steps": "of another kind"}),
            ErrorType.CONFIGURATION,
            ("form 99", "reads form 1"),
        ),
        ("{", ErrorType.INFRASTRUCTURE, ("not a plan",)),
        (dump_plan(a_plan(8)), ErrorType.INFRASTRUCTURE, ("run 7", "run 8")),
    ],
    ids=["of a newer version", "cut", "of another run"],
)
def test_a_plan_that_cannot_be_used_ends_its_run_and_no_other(lab, text, kind, words):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    order(lab, a_plan(7), text)
    ended = until(lambda: lab.of_kind(7, "ended"))[0]
    assert ended.next is None
    assert ended.failure.type is kind
    assert all(word in ended.failure.message for word in words), ended.failure.message
    until((lab.folder / "tombstones" / "7").exists)
    order(lab, a_plan(7), text)
    assert lab.begin(7, 0) is None
    assert boot.end() == 1
    boot.release()
    until(lambda: lab.of_kind(1, "ended"))
    assert len(lab.of_kind(7, "ended")) == 1


def test_a_plan_of_a_newer_version_in_a_run_folder_is_set_aside_at_a_restart(lab):
    lab.announce(a_plan(1))
    lab.step(1, 0).release()
    lab.kill_bench()
    path = lab.folder / "runs" / "1" / "plan.json"
    path.write_text(json.dumps({"format": 99}))
    lab.start_bench()
    lab.announce(a_plan(2))
    lab.step(2, 0).release()
    assert "form 99" in (lab.folder / "output").read_text()
    assert len(list((lab.folder / "unreadable").iterdir())) == 1
