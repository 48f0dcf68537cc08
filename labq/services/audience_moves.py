"""Moves public jobs to the audience of their device, or of their type, after rights were changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session, sessionmaker

from labq.domain.deadline import Deadline
from labq.models.audience import is_public
from labq.models.device import DeviceType
from labq.models.job import Job, JobLabel
from labq.services import audiences, tally, transitions
from labq.services.transitions import Work

HANDED_OUT = timedelta(minutes=1)
"""How long nothing may be heard of a task before another one is handed out."""
BATCH = 500


def follow(session: Session, job: Job, audience_id: int) -> None:
    """Give a public job, which its session has locked, the audience of the device it gets."""
    if not is_public(job.audience_id) or job.audience_id == audience_id:
        return
    before, job.audience_id = job.audience_id, audience_id
    tally.job_readdressed(session, job, before)
    audiences.note_submitter(session, job.submitter_id, audience_id)
    session.execute(
        update(JobLabel).where(JobLabel.job_id == job.id).values(audience_id=audience_id)
    )


def hand_out(session: Session, now: datetime, limit: int = 10) -> list[str]:
    """Return device types whose jobs are to be moved; they are due again when nothing is heard."""
    due = (
        select(DeviceType.name)
        .where(DeviceType.moves_due_at <= now)
        .order_by(DeviceType.moves_due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
        .cte()
    )
    moved = (
        update(DeviceType)
        .where(DeviceType.name.in_(select(due.c.name)))
        .values(moves_due_at=now + HANDED_OUT)
        .returning(DeviceType.name)
        .execution_options(synchronize_session=False)
    )
    return sorted(session.scalars(moved))


def move_all(
    sessions: sessionmaker[Session], what: tuple[str, int], until: Deadline, now: datetime
) -> None:
    """Move the jobs of a type under a version of its rights, a transaction for each batch.

    What is not done at the deadline is left to a further task.
    """
    device_type, version = what
    while not until.is_over():
        with sessions.begin() as session:
            if move(session, device_type) == 0:
                finish(session, device_type, version)
                return
    with sessions.begin() as session:
        yield_turn(session, device_type, now)


def find_version(session: Session, device_type: str) -> int | None:
    """Return the version of a type's rights under which its jobs are to be moved, None for none."""
    query = select(DeviceType.rights_version).where(DeviceType.name == device_type)
    return session.scalar(query.where(DeviceType.moves_due_at.is_not(None)))


def move(session: Session, device_type: str, limit: int = BATCH) -> int:
    """Move some jobs of a type with their labels, the newest of each device first; return how many."""
    values = {"type": device_type, "limit": limit}
    former: dict[int, int] = {row.id: row.former for row in session.execute(_MOVE, values)}
    if former:
        moved = select(Job).where(Job.id.in_(former)).execution_options(populate_existing=True)
        for job in session.scalars(moved):
            tally.job_readdressed(session, job, former[job.id])
        session.execute(_NOTE, {"jobs": list(former)})
        session.execute(_LABELS, {"jobs": list(former)})
        transitions.tell_change(session)
    return len(former)


def finish(session: Session, device_type: str, version: int) -> None:
    """Note that all jobs are where the rights of this version want them, unless it is another now."""
    done = update(DeviceType).where(
        DeviceType.name == device_type, DeviceType.rights_version == version
    )
    session.execute(done.values(moves_due_at=None))


def yield_turn(session: Session, device_type: str, now: datetime) -> None:
    """Have another task handed out at once."""
    query = update(DeviceType).where(DeviceType.name == device_type)
    session.execute(query.where(DeviceType.moves_due_at.is_not(None)).values(moves_due_at=now))
    transitions.tell(session, work=[Work.DELIVERING])


# Public jobs have audiences up to 0. Of each device and each such audience but the wanted one an index
# delivers the jobs, so nothing is read of those that are where they belong.
_MOVE = text("""
WITH public AS MATERIALIZED (SELECT id FROM audience WHERE id <= 0),
place AS MATERIALIZED (
  SELECT id, audience_id FROM device WHERE device_type = :type
), wrong AS (
  (SELECT job.id, place.audience_id
     FROM place CROSS JOIN public CROSS JOIN LATERAL (
       SELECT id FROM job WHERE device_id = place.id AND audience_id = public.id
        ORDER BY (- id) LIMIT :limit
     ) AS job
    WHERE public.id <> place.audience_id)
  UNION ALL
  (SELECT job.id, kind.audience_id
     FROM device_type AS kind CROSS JOIN public CROSS JOIN LATERAL (
       SELECT id FROM job
        WHERE device_type = kind.name AND audience_id = public.id AND device_id IS NULL
        ORDER BY (- id) LIMIT :limit
     ) AS job
    WHERE kind.name = :type AND public.id <> kind.audience_id)
  LIMIT :limit
), held AS (
  SELECT job.id, job.audience_id AS former, wrong.audience_id
    FROM wrong JOIN job USING (id)
   ORDER BY job.id FOR NO KEY UPDATE OF job
)
UPDATE job SET audience_id = held.audience_id FROM held
 WHERE job.id = held.id AND job.audience_id <= 0
RETURNING job.id, held.former
""")
_NOTE = text("""
INSERT INTO audience_submitter (user_id, audience_id)
SELECT DISTINCT submitter_id, audience_id FROM job
 WHERE id = ANY (:jobs) AND audience_id <> 0
ON CONFLICT DO NOTHING
""")
_LABELS = text("""
UPDATE job_label SET audience_id = job.audience_id FROM job
 WHERE job.id = ANY (:jobs) AND job_label.job_id = job.id
   AND job_label.audience_id <> job.audience_id
""")
