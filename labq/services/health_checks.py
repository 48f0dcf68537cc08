"""Health checks: which devices are due, and the jobs that prove them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError
from labq.domain.health_checks import CHECKED_HEALTH, CheckHistory, why_due
from labq.domain.states import DeviceHealth, DeviceState, HostHealth, HostState, JobState
from labq.models.device import Device, DeviceType
from labq.models.host import Host
from labq.models.job import Job
from labq.services import jobs, transitions, upgrades, users
from labq.services.jobs import SubmitOptions
from labq.services.transitions import SYSTEM, By
from labq.services.visibility import Viewer

SUBMITTER = "lava-health"
"""The account that health checks are submitted by; LAVA's clients know it by this name."""
PRIORITY = 100
MOST_AT_ONCE = 50
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DueCheck:
    """A free device that is to be proven before anybody else gets it, and why now."""

    device: int
    reason: str


def find_due(session: Session, now: datetime) -> list[DueCheck]:
    """Return free devices whose health check is due, the most urgent MOST_AT_ONCE by name."""
    is_waiting = (
        select(Job.id)
        .where(Job.is_health_check, Job.state != JobState.FINISHED)
        .where(Job.wanted_device == Device.name)
        .exists()
    )
    query = (
        select(Device, DeviceType)
        .join(DeviceType, DeviceType.name == Device.device_type)
        .join(Host, Host.name == Device.host)
        .where(DeviceType.health_check.is_not(None), ~DeviceType.health_disabled)
        .where(Device.state == DeviceState.IDLE, Device.health.in_(CHECKED_HEALTH))
        .where(Host.state == HostState.ONLINE, Host.health == HostHealth.ACTIVE)
        .where(Host.mismatch == "", ~is_waiting, ~upgrades.is_paused())
        .order_by(Device.name)
    )
    found = []
    for device, kind in session.execute(query):
        if reason := why_due(kind.check_rule, history(device), now):
            found.append(DueCheck(device.id, reason))
    return found[:MOST_AT_ONCE]


def history(device: Device) -> CheckHistory:
    """Return a device as its checks see it."""
    return CheckHistory(
        health=device.health,
        checked_at=device.health_checked_at,
        jobs_since=device.jobs_since_check,
    )


def submit(session: Session, due: Sequence[DueCheck], now: datetime) -> None:
    """Submit the checks of devices that are due; a check that is wrong makes its device bad."""
    if not due:
        return
    user = Viewer(user_id=users.ensure(session, SUBMITTER, now=now), name=SUBMITTER)
    reasons = {one.device: one.reason for one in due}
    for device in transitions.lock(session, Device, reasons):
        text = session.get_one(DeviceType, device.device_type).health_check
        if text is None or device.health not in CHECKED_HEALTH:
            continue
        options = SubmitOptions(priority=PRIORITY, device=device.name, is_health_check=True)
        try:
            job = jobs.submit(session, text, user=user, now=now, options=options)
        except InvalidInputError as error:
            reason = f"the health check of type {device.device_type} is invalid: {error}"
            by = By(SYSTEM, now, reason)
            transitions.set_device_health(session, device, DeviceHealth.BAD, by)
            continue
        log.info("job %d checks device %s: %s", job, device.name, reasons[device.id])
        device.health_job_id, device.health_checked_at = job, now
        device.jobs_since_check = 0


def cancel_stale(session: Session, now: datetime) -> None:
    """Cancel checks that wait for a device which is no longer to be checked."""
    query = (
        select(Job)
        .join(Device, Device.name == Job.wanted_device)
        .join(DeviceType, DeviceType.name == Device.device_type)
        .where(Job.is_health_check, Job.state == JobState.SUBMITTED)
        .where(
            or_(
                Device.health.not_in(CHECKED_HEALTH),
                DeviceType.health_check.is_(None),
                DeviceType.health_disabled,
            )
        )
        .with_for_update(key_share=True, skip_locked=True, of=Job)
    )
    stale = session.scalars(query).all()
    if stale:
        by = By(SYSTEM, now, "its device is no longer to be checked")
        jobs.finish_waiting(session, stale, by)
        transitions.tell(session, jobs=[job.id for job in stale])
