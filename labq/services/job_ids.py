"""Ids of jobs as clients write them: a number, for members of a group `<group>.<place in it>`."""

from __future__ import annotations

import re

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.models.job import Job

_NUMBER = re.compile(r"[0-9]{1,19}", re.ASCII)
_MEMBER = re.compile(r"([0-9]{1,19})\.([0-9]{1,5})", re.ASCII)
_MOST_ID = 2**63 - 1
_MOST_SUB_ID = 2**15 - 1


def shown(job_id: int, group_id: int | None, sub_id: int | None) -> int | str:
    """Return the id as clients are shown it: "N.M" for a member of a group, else the number."""
    return job_id if group_id is None or sub_id is None else f"{group_id}.{sub_id}"


def submitted(session: Session, job_id: int) -> int | list[str]:
    """Return what clients are told of a new job: its number, or the ids of its whole group."""
    query = select(Job.group_id, Job.sub_id).where(Job.group_id == job_id).order_by(Job.sub_id)
    members = [f"{group_id}.{sub_id}" for group_id, sub_id in session.execute(query)]
    return members or job_id


def find(session: Session, text_or_int: str | int) -> int | None:
    """Return the number of the job that an int, a digit string or "N.M" means; None without one.

    Whether somebody may see it is not looked at.
    """
    if isinstance(text_or_int, bool):
        return None
    text = str(text_or_int).strip()
    if _NUMBER.fullmatch(text):
        return _existing(session, int(text))
    member = _MEMBER.fullmatch(text)
    return _member(session, int(member[1]), int(member[2])) if member else None


def _existing(session: Session, job_id: int) -> int | None:
    if job_id > _MOST_ID:
        return None
    return session.scalar(select(Job.id).where(Job.id == job_id))


def _member(session: Session, group_id: int, sub_id: int) -> int | None:
    if group_id > _MOST_ID or sub_id > _MOST_SUB_ID:
        return None
    return session.scalar(select(Job.id).where(Job.group_id == group_id, Job.sub_id == sub_id))
