"""What happens to jobs, devices and hosts, and what tests say, as it is told on EVENT_CHANNEL.

One small JSON text each: who follows looks up the rest. Written with the change, sent at its commit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

EVENT_CHANNEL = "labq_event"
MOST_TEXT_BYTES = 6000
"""Of what a test says; PostgreSQL takes payloads of up to 8,000 bytes."""


class Topic(StrEnum):
    """What an occurrence is about."""

    JOB = "job"
    DEVICE = "device"
    HOST = "host"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """A job, device or host that is in another state or health now, or a test that says something.

    `subject` is a job's id, or the name of a device or host. `health` of a job is its outcome,
    empty until it has one. `run` is the run that holds a device, or whose test says `text`.
    """

    topic: Topic
    at: datetime
    subject: str = ""
    state: str = ""
    health: str = ""
    run: int | None = None
    text: str = ""


def dump(one: Occurrence) -> str:
    """Return an occurrence as the text of a notification."""
    values = [one.topic, one.at.isoformat(), one.subject, one.state, one.health, one.run]
    return json.dumps([*values, _cut(one.text)], ensure_ascii=False, separators=(",", ":"))


def load(text: str) -> Occurrence | None:
    """Return the occurrence that a notification tells of, None for what is none."""
    try:
        topic, at, subject, state, health, run, said = json.loads(text)
        return Occurrence(
            topic=Topic(topic),
            at=datetime.fromisoformat(at),
            subject=str(subject),
            state=str(state),
            health=str(health),
            run=None if run is None else int(run),
            text=str(said),
        )
    except (ValueError, TypeError):
        return None


def _cut(text: str) -> str:
    """Return as much of a text as fits; what JSON has to escape counts as it is written."""
    while len(json.dumps(text, ensure_ascii=False).encode()) > MOST_TEXT_BYTES:
        text = text[: len(text) * 3 // 4]
    return text
