"""Events in LAVA's words."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from labq.services.lab_events import DeviceChanged, JobChanged, LabEvent, Sight
from labq.services.visibility import ANONYMOUS, Rule, Viewer
from labq.stream.telling import Telling, lava_data

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
JOB = JobChanged(
    job=12,
    member="11.1",
    name="smoke",
    submitter="ann",
    state="finished",
    outcome="incomplete",
    priority=50,
    is_health_check=True,
    device_type="rpi4",
    device="rpi4-3",
    host="rack",
    submitted_at=NOON,
    started_at=NOON + timedelta(seconds=1),
    ended_at=NOON + timedelta(seconds=9),
)
BOARD = DeviceChanged(
    device="rpi4-3", device_type="rpi4", host="rack", state="idle", health="looping", job=None
)


def test_a_job_that_ended_is_told_with_all_that_it_has() -> None:
    assert lava_data(JOB) == {
        "health": "Incomplete",
        "state": "Finished",
        "job": 12,
        "description": "smoke",
        "priority": 50,
        "submit_time": "2026-11-20T12:00:00+00:00",
        "submitter": "ann",
        "health_check": True,
        "sub_id": "11.1",
        "device": "rpi4-3",
        "worker": "rack",
        "device_type": "rpi4",
        "start_time": "2026-11-20T12:00:01+00:00",
        "end_time": "2026-11-20T12:00:09+00:00",
    }


def test_a_job_that_waits_is_told_without_what_it_has_not() -> None:
    waiting = replace(JOB, state="submitted", outcome=None, member=None, device=None, host=None)
    data = lava_data(replace(waiting, started_at=None, ended_at=None))
    assert data["health"] == "Unknown"
    assert {"sub_id", "device", "worker", "start_time", "end_time"}.isdisjoint(data)


def test_the_time_of_an_event_is_utc_and_says_no_zone() -> None:
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    topic, _, at, user, data = Telling(LabEvent(elsewhere, BOARD), "org.lab").parts
    assert (topic, at, user) == ("org.lab.device", "2026-11-20T12:00:00", "lavaserver")
    assert json.loads(data)["health"] == "Looping"


def test_all_forms_of_an_event_have_one_id_for_everybody() -> None:
    held = replace(BOARD, job=12)
    telling = Telling(LabEvent(NOON, held, job_sight=Sight(Rule(groups=(5,)), 7)), "org")
    for viewer in (ANONYMOUS, Viewer(user_id=8), Viewer(user_id=7), Viewer(user_id=9, groups=(5,))):
        told = telling.of(viewer)
        assert told is not None
        assert told.id == telling.id
        sees_job = viewer.user_id in {7, 9}
        assert ("job" in json.loads(told.parts[4])) is sees_job
        assert (b'"job":12' in told.sse) is sees_job
    assert Telling(LabEvent(NOON, held, Sight(Rule(groups=(5,)))), "org").of(ANONYMOUS) is None
