"""Groups of jobs that wait, the devices they could have, and what each member is in its group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, select, text
from sqlalchemy.orm import Session

from labq.domain.matching import FreeDevice, WaitingGroup, WaitingJob, Want
from labq.models.job import Job
from labq.models.job_group import GroupMember, JobGroup
from labq.services import job_ids

_Rows = Sequence[Row[*tuple[Any, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Groups whose members all wait, and devices of their types: free ones, and busy ones."""

    groups: tuple[WaitingGroup, ...] = ()
    free: tuple[FreeDevice, ...] = ()
    busy: tuple[FreeDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A member's place: see `labq.domain.plan.Seat`."""

    group: int
    name: str
    member: str
    role: str
    roles: tuple[tuple[str, str], ...]
    start_role: str


def find_waiting(session: Session) -> Waiting:
    """Return what could be begun; nothing when no group waits."""
    rows = session.execute(_WAITING).all()
    groups = [
        found
        for group, members in groupby(rows, key=lambda row: row.group_id)
        if (found := _group(int(group), list(members))) is not None
    ]
    if not groups:
        return Waiting()
    types = {member.want.device_type for group in groups for member in group.members}
    devices = session.execute(_DEVICES, {"types": sorted(types)}).all()
    return Waiting(
        groups=tuple(groups),
        free=tuple(_device(row) for row in devices if row.is_free),
        busy=tuple(_device(row) for row in devices if not row.is_free),
    )


def find_places(session: Session, groups: Collection[int]) -> dict[int, Place]:
    """Return the place of each member of these groups, by its job."""
    if not groups:
        return {}
    query = (
        select(Job.id, Job.group_id, Job.sub_id, GroupMember.role, GroupMember.start_role)
        .add_columns(JobGroup.name)
        .join(GroupMember, GroupMember.job_id == Job.id)
        .join(JobGroup, JobGroup.id == Job.group_id)
        .where(Job.group_id.in_(groups))
        .order_by(Job.group_id, Job.sub_id)
    )
    rows = session.execute(query).all()
    names = {row.id: str(job_ids.shown(row.id, row.group_id, row.sub_id)) for row in rows}
    roles: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        roles[row.group_id].append((names[row.id], row.role))
    return {
        row.id: Place(
            group=row.group_id,
            name=row.name,
            member=names[row.id],
            role=row.role,
            roles=tuple(roles[row.group_id]),
            start_role=row.start_role or "",
        )
        for row in rows
    }


def _group(group: int, rows: _Rows) -> WaitingGroup | None:
    """Return a group that can begin as a whole, None where a member does not wait."""
    if not all(row.is_waiting for row in rows):
        return None
    members = [row for row in rows if row.host_role is None]
    hosts = {row.role: row.id for row in members}
    guests = {row.id: hosts.get(row.host_role) for row in rows if row.host_role is not None}
    return WaitingGroup(
        id=group,
        priority=rows[0].priority,
        submitted=rows[0].submitted_at,
        members=tuple(_member(row) for row in members),
        guests={guest: host for guest, host in guests.items() if host is not None},
    )


def _member(row: Row[*tuple[Any, ...]]) -> WaitingJob:
    return WaitingJob(
        id=row.id,
        priority=row.priority,
        submitted=row.submitted_at,
        want=Want(
            device_type=row.device_type,
            tags=frozenset(row.tags),
            device=row.wanted_device,
            host=row.wanted_host,
            groups=frozenset(row.groups),
            is_admin=row.is_admin,
        ),
    )


def _device(row: Row[*tuple[Any, ...]]) -> FreeDevice:
    return FreeDevice(
        name=row.name,
        device_type=row.device_type,
        host=row.host,
        tags=frozenset(row.tags),
        groups=None if row.submitters is None else frozenset(row.submitters),
        exclusive=frozenset(row.exclusive),
    )


_WAITING = text("""
SELECT job.id, job.group_id, job.priority, job.submitted_at, job.device_type, job.tags,
       job.wanted_device, job.wanted_host, job.state = 'submitted' AS is_waiting,
       member.role, member.host_role, "user".is_admin,
       ARRAY(SELECT group_id FROM membership WHERE user_id = job.submitter_id) AS groups
  FROM job JOIN group_member AS member ON member.job_id = job.id
           JOIN "user" ON "user".id = job.submitter_id
           JOIN job_group ON job_group.id = job.group_id
 WHERE job.group_id IN (
         SELECT group_id FROM job WHERE group_id IS NOT NULL AND state = 'submitted'
       )
   AND job_group.doomed IS NULL
 ORDER BY job.group_id, job.sub_id
""")

# A device that has to be proven first is as one that is busy.
_DEVICES = text("""
SELECT device.name, device.device_type, device.host, device.tags, device.exclusive,
       device.submitters,
       device.state = 'idle'
       AND NOT (device.health = 'unknown'
                AND kind.health_check IS NOT NULL AND NOT kind.health_disabled)
       AND NOT EXISTS (
         SELECT FROM job WHERE job.is_health_check AND job.state <> 'finished'
                           AND job.wanted_device = device.name
       ) AS is_free
  FROM device JOIN host ON host.name = device.host
              JOIN device_type AS kind ON kind.name = device.device_type
 WHERE device.device_type = ANY(:types) AND device.health IN ('good', 'unknown')
   AND host.state = 'online' AND host.health = 'active' AND host.mismatch = ''
   AND NOT EXISTS (
     SELECT FROM upgrade
      WHERE pauses_scheduling AND ended_at IS NULL AND until > clock_timestamp()
   )
""")
