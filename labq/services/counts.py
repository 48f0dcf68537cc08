"""Counts of jobs as pages read them: what is folded and what is not yet, in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from labq.domain.states import Outcome


class Subject(StrEnum):
    """What finished jobs are counted for."""

    DEVICE = "device"
    DEVICE_TYPE = "device_type"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """How many jobs wait for a device, and how many have one and are not finished."""

    waiting: int = 0
    active: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How many jobs ended in each way, deleted ones too, and when the last one did."""

    outcomes: Mapping[Outcome, int]
    last_ended_at: datetime | None

    @property
    def jobs(self) -> int:
        """Return how many there were in all."""
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Jobs that ended on a UTC day; texts are empty for none."""

    day: date
    device_type: str
    host: str
    outcome: Outcome
    error_type: str
    jobs: int
    run_seconds: float
    wait_seconds: float


def find_queues(session: Session) -> dict[str, Queue]:
    """Return how many jobs wait and are at work by device type; types without any are left out."""
    return {
        row.device_type: Queue(waiting=row.waiting, active=row.active)
        for row in session.execute(_QUEUES)
    }


def find_finished(session: Session, subject: Subject, name: str) -> Finished:
    """Return how the jobs of a device, device type or host ended."""
    rows = session.execute(_FINISHED, {"subject": subject.value, "name": name}).all()
    return Finished(
        outcomes={Outcome(row.outcome): row.jobs for row in rows},
        last_ended_at=max((row.last_ended_at for row in rows), default=None),
    )


def find_days(
    session: Session, first: date, last: date, *, device_type: str = "", host: str = ""
) -> list[Day]:
    """Return the counts of days, of all device types and hosts unless one is named."""
    wanted = {"first": first, "last": last, "device_type": device_type, "host": host}
    return [
        Day(
            day=row.day,
            device_type=row.device_type,
            host=row.host,
            outcome=Outcome(row.outcome),
            error_type=row.error_type,
            jobs=row.jobs,
            run_seconds=row.run_ms / 1000,
            wait_seconds=row.wait_ms / 1000,
        )
        for row in session.execute(_DAYS, wanted)
    ]


_QUEUES = text("""
SELECT device_type, sum(waiting)::bigint AS waiting, sum(active)::bigint AS active
  FROM (SELECT device_type, waiting, active FROM queue_length
        UNION ALL
        SELECT device_type, waiting, active FROM count_delta) AS every
 GROUP BY device_type HAVING sum(waiting) <> 0 OR sum(active) <> 0
""")
_FINISHED = text("""
SELECT outcome, sum(jobs)::bigint AS jobs, max(last_ended_at) AS last_ended_at
  FROM (SELECT outcome, jobs, last_ended_at FROM job_count
         WHERE subject = :subject AND name = :name
        UNION ALL
        SELECT outcome, jobs, ended_at FROM count_delta
         WHERE jobs <> 0 AND :name = CASE :subject WHEN 'device' THEN device
                                                   WHEN 'host' THEN host ELSE device_type END
       ) AS every
 GROUP BY outcome
""")
_DAYS = text("""
SELECT day, device_type, host, outcome, error_type, sum(jobs)::bigint AS jobs,
       sum(run_ms)::float AS run_ms, sum(wait_ms)::float AS wait_ms
  FROM (SELECT day, device_type, host, outcome, error_type, jobs, run_ms, wait_ms FROM day_count
        UNION ALL
        SELECT day, device_type, host, outcome, error_type, jobs, run_ms, wait_ms FROM count_delta
         WHERE jobs <> 0) AS every
 WHERE day BETWEEN :first AND :last
   AND (:device_type = '' OR device_type = :device_type) AND (:host = '' OR host = :host)
 GROUP BY day, device_type, host, outcome, error_type
 ORDER BY day, device_type, host, outcome, error_type
""")
