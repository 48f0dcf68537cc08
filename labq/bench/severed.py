"""Runs that cannot go on where they were: their consoles are lost, or their machine's power was.

Without its consoles a test goes back to the boot before it. After a new start of the machine files
that steps left may be lost too: the run goes back to its beginning.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from labq.bench.run import BenchRun
from labq.benchlink.records import Kind, Record
from labq.domain.plan import Plan, StepKind


def step_back(run: BenchRun) -> int | None:
    """Return the step to go back to, None when the next one can begin as things are."""
    if run.gate.is_closed or run.gate.next in (0, run.plan.collect):
        return None
    if run.is_of_earlier_boot:
        return 0
    return boot_before(run.plan, run.gate.next) if cut_off(run.journal.records()) else None


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
