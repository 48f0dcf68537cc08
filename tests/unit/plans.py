"""Small plans for tests of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from labq.domain.plan import (
    ConsoleSpec,
    OverlaySpec,
    Plan,
    PlanStep,
    PowerSpec,
    Queue,
    StepKind,
    Timeouts,
)

STEP = PlanStep(
    index=0,
    kind=StepKind.TEST,
    queue=Queue.TEST,
    name="test",
    action=3,
    method="interactive",
    namespace="common",
    timeouts=Timeouts(block=300.0, action=300.0, connection=30.0),
    deadline=600.0,
    restart_from=0,
)


def step(method: str, parameters: Mapping[str, object], **changes: object) -> PlanStep:
    """Return a step of this method."""
    return replace(STEP, method=method, parameters=parameters, **changes)  # type: ignore[arg-type]  # any field by name


def plan(
    steps: Sequence[PlanStep], dictionary: Mapping[str, object] | None = None, **changes: object
) -> Plan:
    """Return a plan of these steps on a device with one serial console."""
    made = Plan(
        run=1,
        job=7,
        host="local",
        device="board-01",
        device_type="board",
        locks=("board-01",),
        steps=tuple(steps),
        dictionary=dictionary or {},
        consoles=(ConsoleSpec(channel="serial", kind="pty", command="sh"),),
        power=PowerSpec(kind="none"),
        job_deadline=3600.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # any field by name


def overlay(*stages: object, **changes: object) -> OverlaySpec:
    """Return an overlay of these stages."""
    return replace(OverlaySpec(namespace="common", stages=tuple(stages)), **changes)  # type: ignore[arg-type]  # any field by name
