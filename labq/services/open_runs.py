"""A run with everything that its events change, loaded and locked in one order for everybody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from labq.models.base import Json
from labq.models.device import Device
from labq.models.job import Job, JobDefinition
from labq.models.run import Run, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run with all that its events change, locked."""

    run: Run
    job: Job
    device: Device
    steps: Mapping[int, Step]
    notify: Json | None

    @property
    def collect(self) -> int:
        """Return the position of the last step."""
        return max(self.steps)

    def send_from(self, step: int, reason: str) -> None:
        """Have the chain sent from `step` on, at the run's epoch, by whoever leads."""
        self.run.next = step
        self.run.sent = None
        self.run.sent_reason = reason


def load(session: Session, runs: Collection[int], *, host: str | None = None) -> dict[int, OpenRun]:
    """Return the runs that exist, with their rows locked in one order for everybody.

    With `host` only runs of that host: what it says of others touches nothing of theirs.
    """
    if host is None:
        rows = session.execute(_LOCKED_RUNS, {"runs": list(runs)}).all()
    else:
        rows = session.execute(_LOCKED_OF_HOST, {"runs": list(runs), "host": host}).all()
    steps: dict[int, dict[int, Step]] = {run.id: {} for run, _, _, _ in rows}
    for step in session.scalars(_STEPS, {"runs": list(steps)}):
        steps[step.run_id][step.position] = step
    return {
        run.id: OpenRun(run=run, job=job, device=device, steps=steps[run.id], notify=notify)
        for run, job, device, notify in rows
    }


_LOCKED_RUNS = (
    select(Run, Job, Device, JobDefinition.notify)
    .join(Job, Job.id == Run.job_id)
    .join(Device, Device.id == Run.device_id)
    .join(JobDefinition, JobDefinition.job_id == Job.id)
    .where(Run.id.in_(bindparam("runs", expanding=True)))
    .order_by(Job.id, Run.id)
    .with_for_update(key_share=True, of=(Job, Run, Device))
    .execution_options(populate_existing=True)
)
_LOCKED_OF_HOST = _LOCKED_RUNS.where(Run.host == bindparam("host"))
_STEPS = (
    select(Step)
    .where(Step.run_id.in_(bindparam("runs", expanding=True)))
    .execution_options(populate_existing=True)
)
