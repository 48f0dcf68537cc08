"""Jobs as the events page and the live stream tell of them: small, with who may see each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.states import DeviceHealth, DeviceState, JobState, Outcome
from labq.models.audience import Audience
from labq.models.device import Device
from labq.models.job import Job
from labq.models.user import User
from labq.services.visibility import Rule, Viewer, sees


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """A job that changed, and the device it is on."""

    id: int
    name: str
    submitter: str
    state: JobState
    outcome: Outcome | None
    device_type: str
    device: str | None
    device_state: DeviceState | None
    device_health: DeviceHealth | None


@dataclass(frozen=True, slots=True)
class Told:
    """An event with what decides who may see it."""

    event: JobEvent
    submitter_id: int
    rule: Rule

    def is_for(self, viewer: Viewer) -> bool:
        """Tell whether the viewer sees the job."""
        return sees(viewer, self.submitter_id, self.rule)


def find_events(session: Session, jobs: Sequence[int]) -> list[Told]:
    """Return the present state of these jobs, in the order of their ids."""
    rows = session.execute(
        select(
            Job.id,
            Job.name,
            User.name.label("submitter"),
            Job.state,
            Job.outcome,
            Job.device_type,
            Device.name.label("device"),
            Device.state.label("device_state"),
            Device.health.label("device_health"),
            Job.submitter_id,
            Audience.groups,
            Audience.owner_id,
            Audience.any_of,
        )
        .join(User, User.id == Job.submitter_id)
        .join(Audience, Audience.id == Job.audience_id)
        .outerjoin(Device, Device.id == Job.device_id)
        .where(Job.id.in_(jobs))
        .order_by(Job.id)
    )
    return [_told(row._asdict()) for row in rows]


def _told(values: dict[str, Any]) -> Told:
    submitter_id = values.pop("submitter_id")
    any_of = values.pop("any_of")
    rule = Rule(
        tuple(values.pop("groups")),
        values.pop("owner_id"),
        None if any_of is None else tuple(any_of),
    )
    return Told(JobEvent(**values), submitter_id, rule)
