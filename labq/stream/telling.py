"""One event in the forms of all who follow, each made once, when the first one needs it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from pydantic import TypeAdapter

from labq.services.lab_events import (
    Change,
    DeviceChanged,
    HostChanged,
    JobChanged,
    LabEvent,
    TestSaid,
)
from labq.services.visibility import Viewer
from labq.stream.sse import event

SERVER = "lavaserver"
"""Who is named with what no job's submitter did; LAVA's clients know it by this name."""
NO_HEALTH = "Unknown"
_CHANGE: TypeAdapter[Change] = TypeAdapter(Change)


@dataclass(frozen=True)
class Telling:
    """An event for those who may know the job on its device; `topic` is LAVA's prefix.

    For the others there is `reduced`.
    """

    told: LabEvent
    prefix: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def of(self, viewer: Viewer) -> Telling | None:
        """Return what this viewer is told, None for nothing."""
        if not self.told.sight.is_open_to(viewer):
            return None
        return self if self.told.job_sight.is_open_to(viewer) else self._reduced

    @cached_property
    def _reduced(self) -> Telling:
        return Telling(self.told.without_job, self.prefix, self.id)

    @cached_property
    def sse(self) -> bytes:
        """Return the event for people's browsers, in labq's words."""
        return event(_name(self.told.change), _CHANGE.dump_json(self.told.change))

    @cached_property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Return LAVA's five parts: topic, id, time (UTC, without a zone), user, data as JSON."""
        change = self.told.change
        at = self.told.at.astimezone(UTC).replace(tzinfo=None)
        user = change.submitter if isinstance(change, JobChanged) else SERVER
        topic = f"{self.prefix}.{_topic(change)}"
        return (topic, self.id, at.isoformat(), user, json.dumps(lava_data(change)))

    @cached_property
    def text(self) -> str:
        """Return LAVA's frame of a web socket: a JSON list of the five parts."""
        return json.dumps(self.parts)

    @cached_property
    def frames(self) -> list[bytes]:
        """Return LAVA's message of ZMQ: the five parts."""
        return [part.encode() for part in self.parts]


def lava_data(change: Change) -> Mapping[str, object]:
    """Return the data of an event as LAVA names and writes it."""
    match change:
        case JobChanged():
            return _job(change)
        case DeviceChanged():
            data: dict[str, object] = {
                "health": change.health.title(),
                "state": change.state.title(),
                "device": change.device,
                "device_type": change.device_type,
                "worker": change.host,
            }
            return data if change.job is None else {**data, "job": change.job}
        case HostChanged():
            return {
                "hostname": change.host,
                "health": change.health.title(),
                "state": change.state.title(),
            }
        case TestSaid():
            return {"message": change.message, "job": change.job}


def _job(change: JobChanged) -> Mapping[str, object]:
    data: dict[str, object] = {
        "health": change.outcome.title() if change.outcome else NO_HEALTH,
        "state": change.state.title(),
        "job": change.job,
        "description": change.name,
        "priority": change.priority,
        "submit_time": _iso(change.submitted_at),
        "submitter": change.submitter,
        "health_check": change.is_health_check,
    }
    rest = {
        "sub_id": change.member,
        "device": change.device,
        "worker": change.host,
        "device_type": change.device_type,
        "start_time": _iso(change.started_at),
        "end_time": _iso(change.ended_at),
    }
    return data | {name: value for name, value in rest.items() if value is not None}


def _topic(change: Change) -> str:
    match change:
        case JobChanged():
            return "testjob"
        case DeviceChanged():
            return "device"
        case HostChanged():
            return "worker"
        case TestSaid():
            return "event"


def _name(change: Change) -> str:
    match change:
        case JobChanged():
            return "job_state"
        case DeviceChanged():
            return "device"
        case HostChanged():
            return "host"
        case TestSaid():
            return "test"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()
