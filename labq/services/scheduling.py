"""Waiting jobs and free devices: what could be paired. Nothing is locked or written here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import ARRAY, Row, Text, bindparam, func, select, text
from sqlalchemy.orm import Session

from labq.domain.errors import Failure
from labq.domain.matching import FreeDevice, Occupancy, Pairing, WaitingJob, Want, match
from labq.domain.plan import Plan
from labq.models.device import Device, Reservation
from labq.models.host import Host
from labq.models.job import Job, JobDefinition
from labq.services import group_scheduling
from labq.services.group_scheduling import Place

MOST_PAIRINGS = 20
"""How many jobs each free device is offered in one pass, and so how many one pass can pair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A job, the device it could run on, and the id that its run would have."""

    job: int
    run: int
    device: str
    device_type: str
    template: str
    host: str
    host_address: str
    timeout_scales: Mapping[str, float]
    definition: str
    resources: tuple[str, ...]
    keeps_console: bool = False
    place: Place | None = None
    is_guest: bool = False
    submitter: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A proposal whose plan stands; `text` is the plan's JSON, `digest` its name."""

    proposal: Proposal
    plan: Plan
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Unplannable:
    """A job that cannot run on this kind of device, with the reason."""

    job: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class BadDevice:
    """A device whose dictionary does not render, with the reason."""

    device: str
    reason: str


def propose(session: Session, random: Random) -> list[Proposal]:
    """Return pairs of the best waiting jobs and free devices; empty when there is nothing to do.

    Health checks come first, each with its device; a device that is due is offered to nobody else.
    """
    rows = session.execute(_CANDIDATES, {"most": MOST_PAIRINGS}).all()
    waiting = group_scheduling.find_waiting(session)
    if not rows and not waiting.groups:
        return []
    checks = [row for row in rows if row.is_health_check]
    others = [row for row in rows if not row.is_health_check]
    shared = {name for row in rows for name in row.exclusive}
    shared |= {name for device in (*waiting.free, *waiting.busy) for name in device.exclusive}
    taken = _taken(session, shared)
    first = match(_jobs(checks), _devices(checks), random=random, taken=taken)
    held = frozenset(name for pairing in first for name in pairing.resources)
    taken = Occupancy(resources=taken.resources | held)
    rest = match(
        _jobs(others),
        list({device.name: device for device in (*_devices(others), *waiting.free)}.values()),
        random=random,
        taken=taken,
        groups=waiting.groups,
        busy=waiting.busy,
    )
    return _proposals(session, _first_ones([*first, *rest]))


def _first_ones(pairings: Sequence[Pairing]) -> list[Pairing]:
    """Return so many pairings as one pass can have, and the rest of the last group among them."""
    chosen = list(pairings[:MOST_PAIRINGS])
    last = chosen[-1].group if chosen else None
    if last is not None:
        chosen += [one for one in pairings[MOST_PAIRINGS:] if one.group == last]
    return chosen


def _devices(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[FreeDevice]:
    found = {
        row.name: FreeDevice(
            name=row.name,
            device_type=row.device_type,
            host=row.host,
            tags=frozenset(row.device_tags),
            groups=None if row.submitters is None else frozenset(row.submitters),
            exclusive=frozenset(row.exclusive),
        )
        for row in rows
    }
    return list(found.values())


def _jobs(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[WaitingJob]:
    found = {
        row.id: WaitingJob(
            id=row.id,
            priority=row.priority,
            submitted=row.submitted_at,
            want=Want(
                device_type=row.device_type,
                tags=frozenset(row.tags),
                device=row.wanted_device,
                host=row.wanted_host,
                groups=frozenset(row.groups or ()),
                is_admin=bool(row.is_admin),
                avoid=frozenset(row.avoid),
            ),
        )
        for row in rows
    }
    return list(found.values())


_MAY_USE = """
({device}.submitters IS NULL
 OR EXISTS (SELECT FROM membership
             WHERE user_id = job.submitter_id AND group_id = ANY ({device}.submitters))
 OR EXISTS (SELECT FROM "user" AS person
             WHERE person.id = job.submitter_id AND person.is_admin))
"""
# Whose job it is counts only where a device of the type is not for everybody.
_RIGHTS = """
CASE WHEN free.is_restricted
     THEN ARRAY(SELECT group_id FROM membership WHERE user_id = job.submitter_id) END AS groups,
free.is_restricted
AND (SELECT is_admin FROM "user" AS person WHERE person.id = job.submitter_id) AS is_admin
"""
# A device is offered to users unless it has to be proven first. A job that runs again avoids the
# devices it was on as long as the lab has another one for it.
_CANDIDATES = text(f"""
WITH free AS (
  SELECT device.name, device.device_type, device.host, device.tags, device.exclusive,
         device.submitters,
         bool_or(device.submitters IS NOT NULL) OVER (PARTITION BY device.device_type)
           AS is_restricted,
         device.health IN ('good', 'unknown')
         AND NOT (device.health = 'unknown'
                  AND kind.health_check IS NOT NULL AND NOT kind.health_disabled)
         AND NOT EXISTS (
           SELECT FROM job WHERE job.is_health_check AND job.state <> 'finished'
                             AND job.wanted_device = device.name
         ) AS is_offered,
         count(*) OVER (PARTITION BY device.device_type) AS peers
    FROM device JOIN host ON host.name = device.host
                JOIN device_type AS kind ON kind.name = device.device_type
   WHERE device.state = 'idle' AND device.health IN ('good', 'unknown', 'looping')
     AND host.state = 'online' AND host.health = 'active' AND host.mismatch = ''
     AND NOT EXISTS (
       SELECT FROM upgrade
        WHERE pauses_scheduling AND ended_at IS NULL AND until > clock_timestamp()
     )
)
SELECT free.name, free.device_type, free.host, free.tags AS device_tags, free.exclusive,
       free.submitters, waiting.groups, waiting.is_admin,
       waiting.id, waiting.priority, waiting.submitted_at, waiting.tags, waiting.wanted_device,
       waiting.wanted_host, waiting.is_health_check, waiting.avoid
  FROM free CROSS JOIN LATERAL (
    (SELECT id, priority, submitted_at, tags, wanted_device, wanted_host, is_health_check,
            CAST('{{}}' AS text[]) AS avoid, {_RIGHTS}
       FROM job
      WHERE free.is_offered AND NOT job.is_health_check AND job.group_id IS NULL
        AND job.state = 'submitted' AND job.device_type = free.device_type
        AND (job.wanted_device IS NULL OR job.wanted_device = free.name)
        AND (job.wanted_host IS NULL OR job.wanted_host = free.host)
        AND job.tags <@ free.tags AND {_MAY_USE.format(device="free")}
      ORDER BY job.priority DESC, job.id
      LIMIT least(free.peers, :most))
    UNION ALL
    (SELECT id, priority, submitted_at, tags, wanted_device, wanted_host, is_health_check, avoid,
            {_RIGHTS}
       FROM job CROSS JOIN LATERAL (
         SELECT coalesce(array_agg(tried.name), '{{}}') AS avoid
           FROM run JOIN device AS tried ON tried.id = run.device_id
          WHERE run.job_id = job.id AND EXISTS (
            SELECT FROM device AS other JOIN host ON host.name = other.host
             WHERE other.device_type = job.device_type AND other.health IN ('good', 'unknown')
               AND host.state = 'online' AND host.health = 'active' AND host.mismatch = ''
               AND job.tags <@ other.tags AND {_MAY_USE.format(device="other")}
               AND (job.wanted_device IS NULL OR job.wanted_device = other.name)
               AND (job.wanted_host IS NULL OR job.wanted_host = other.host)
               AND other.id NOT IN (SELECT device_id FROM run WHERE run.job_id = job.id)
          )
       ) AS before
      WHERE free.is_offered AND job.waits_again AND job.device_type = free.device_type
        AND (job.wanted_device IS NULL OR job.wanted_device = free.name)
        AND (job.wanted_host IS NULL OR job.wanted_host = free.host)
        AND job.tags <@ free.tags AND free.name <> ALL (avoid)
        AND {_MAY_USE.format(device="free")}
      ORDER BY job.priority DESC, job.id
      LIMIT least(free.peers, :most))
    UNION ALL
    SELECT id, priority, submitted_at, tags, wanted_device, wanted_host, is_health_check,
           CAST('{{}}' AS text[]), CAST(NULL AS bigint[]), true
      FROM job
     WHERE job.is_health_check AND job.state = 'submitted' AND job.wanted_device = free.name
  ) AS waiting
""")  # noqa: S608 - put together from constants


def _taken(session: Session, shared: Collection[str]) -> Occupancy:
    """Return what is held of these resources, which devices share with others."""
    if not shared:
        return Occupancy()
    held = select(Reservation.resource).where(
        Reservation.released_at.is_(None), Reservation.resource.in_(shared)
    )
    return Occupancy(resources=frozenset(session.scalars(held)))


def _proposals(session: Session, pairings: Sequence[Pairing]) -> list[Proposal]:
    chosen = {pairing.job: pairing for pairing in pairings}
    groups = {pairing.group for pairing in pairings if pairing.group is not None}
    places = group_scheduling.find_places(session, groups)
    values = {"jobs": list(chosen), "devices": [pairing.device for pairing in chosen.values()]}
    return [
        Proposal(
            job=row.job_id,
            run=row.run,
            device=row.name,
            device_type=row.device_type,
            template=row.template,
            host=row.host,
            host_address=row.address,
            timeout_scales=row.timeout_scales,
            definition=row.definition,
            resources=chosen[row.job_id].resources,
            keeps_console=row.keeps_console,
            place=places.get(row.job_id),
            is_guest=chosen[row.job_id].is_guest,
            submitter=row.submitter_id,
        )
        for row in session.execute(_PROPOSALS, values)
    ]


_PAIRS = (
    func.unnest(
        bindparam("jobs", type_=ARRAY(Job.id.type)), bindparam("devices", type_=ARRAY(Text))
    )
    .table_valued("job", "device", name="pair")
    .render_derived()
)


_PROPOSALS = (
    select(
        func.nextval(func.pg_get_serial_sequence("run", "id")).label("run"),
        Device.name,
        Device.device_type,
        Device.template,
        Device.host,
        Host.address,
        Host.timeout_scales,
        JobDefinition.job_id,
        JobDefinition.definition,
        Job.keeps_console,
        Job.submitter_id,
    )
    .select_from(_PAIRS)
    .join(Device, Device.name == _PAIRS.c.device)
    .join(Host, Host.name == Device.host)
    .join(JobDefinition, JobDefinition.job_id == _PAIRS.c.job)
    .join(Job, Job.id == _PAIRS.c.job)
)
