"""Runs whose consoles did not outlive the supervisor: a test goes back to the boot before it."""

from __future__ import annotations

import json
from collections.abc import Iterable

from labq.bench.run import BenchRun
from labq.benchlink.records import Kind, Record
from labq.domain.plan import Plan, StepKind


def step_back(run: BenchRun) -> int | None:
    """Return the step to go back to, None when the next one can begin as things are."""
    if run.gate.is_closed or not cut_off(run.journal.records()):
        return None
    return boot_before(run.plan, run.gate.next)


def cut_off(records: Iterable[Record]) -> set[str]:
    """Return the channels that were lost and not opened again since."""
    lost: set[str] = set()
    for record in records:
        if record.kind == Kind.EPOCH:
            lost.clear()
        elif record.kind == Kind.OPENED:
            lost.discard(record.channel)
        elif record.kind == Kind.CLOSED and json.loads(record.data).get("lost"):
            lost.add(record.channel)
    return lost


def boot_before(plan: Plan, step: int) -> int | None:
    """Return the boot whose system a test runs on; other steps bring up their device themselves."""
    if plan.steps[step].kind is not StepKind.TEST:
        return None
    boots = [one.index for one in plan.steps[:step] if one.kind is StepKind.BOOT]
    same = [boot for boot in boots if plan.steps[boot].namespace == plan.steps[step].namespace]
    return max(same or boots, default=None)
