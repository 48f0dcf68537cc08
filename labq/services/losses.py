"""Hosts that stay silent too long: their runs end without them, their devices stay held.

Silence of a host is never silence of a step: it goes on with its runs and tells later. Whatever it
tells of a run that was given up goes to the log alone; what tears the run down frees the device.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, ErrorType, Failure, LabqError, NotFoundError
from labq.domain.figures import describe_seconds
from labq.domain.states import HostState, RunState
from labq.models.delivery import Alarm
from labq.models.device import Device
from labq.models.host import Host
from labq.models.run import Run
from labq.services import closing, open_runs, transitions
from labq.services.falls import HOST
from labq.services.open_runs import OpenRun
from labq.services.transitions import By, Work

RETURN_SECONDS = 120.0
"""How long hosts have to be heard again when the server itself was away: no host is lost by that."""


def give_up_silent(
    session: Session, by: By, *, lost_after: timedelta, listening_seconds: float
) -> int:
    """Give up the runs of hosts that are silent for too long; return how many.

    `listening_seconds`: since when the server hears hosts without a break. Silence counts by the
    database's clock.
    """
    limit = func.coalesce(Host.lost_after_seconds, lost_after.total_seconds())
    silent = func.extract("epoch", func.clock_timestamp() - Host.reported_at)
    open_run = select(Run.id).where(Run.host == Host.name, Run.state != RunState.ENDED).exists()
    query = select(Host.name, limit).where(
        Host.state == HostState.OFFLINE,
        silent >= limit,
        func.least(limit, RETURN_SECONDS) <= listening_seconds,
        open_run,
    )
    count = 0
    for name, seconds in session.execute(query).all():
        silence = describe_seconds(float(seconds)).removesuffix(" 0 s").removesuffix(" 0 min")
        count += give_up_host(session, name, f"host {name} has been silent for {silence}", by)
    return count


def give_up_host(session: Session, host: str, why: str, by: By) -> int:
    """End all runs of a host without it, as infrastructure failures; return how many.

    Their devices stay held until the host has torn the runs down, or somebody releases them.
    """
    query = select(Run.id).where(Run.host == host, Run.state != RunState.ENDED)
    known = open_runs.load(session, session.scalars(query).all())
    failure = Failure(type=ErrorType.INFRASTRUCTURE, message=why)
    reason = By(by.actor, by.at, why)
    lost = [one for one in known.values() if one.run.state is not RunState.ENDED]
    ended = [closing.give_up(session, one, failure, reason) for one in lost]
    closing.settle(session, ended, reason)
    if ended:
        told = f"{why}: {len(ended)} jobs ended without it, their devices stay held"
        session.add(Alarm(at=by.at, subject=HOST, name=host, text=told))
    work = [Work.SENDING, Work.PAIRING] if ended else []
    transitions.tell(session, jobs=[one.job.id for one in lost], work=work)
    return len(ended)


def note_gone(session: Session, known: OpenRun, by: By) -> None:
    """Take in that a host which has read the order no longer knows a run that was given up."""
    closing.settle(session, [closing.tear_down(session, known, by)], by)
    transitions.tell(session, jobs=[known.job.id], work=[Work.PAIRING])


def release(session: Session, name: str, by: By, *, force: bool) -> None:
    """Free a device that waits for a host which is gone, although nobody has torn its run down.

    A run that has not been given up yet ends with it. Raises NotFoundError, and ConflictError
    without `force`, when the device is not held, or its host is there.
    """
    run = session.scalar(select(Device.run_id).where(Device.name == name))
    known = open_runs.load(session, [run] if run else []).get(run or 0)
    if known is None or known.device.run_id != known.run.id:
        raise _not_held(session, name)
    host = session.get_one(Host, known.run.host)
    if host.state is HostState.ONLINE and not known.run.is_awaited:
        raise ConflictError(
            f"host {host.name} is there: cancel job {known.job.id}, and device {name} is freed"
        )
    if not force:
        raise ConflictError(
            f"device {name} waits for host {host.name} to report run {known.run.id} torn down; only"
            " `force` releases it before, and the board may still be powered and in use"
        )
    ended = []
    if not known.run.is_awaited:
        why = Failure(type=ErrorType.INFRASTRUCTURE, message=f"host {host.name} was given up")
        ended.append(closing.give_up(session, known, why, by))
    ended.append(closing.tear_down(session, known, by))
    closing.settle(session, ended, by)
    transitions.tell(session, jobs=[known.job.id], work=[Work.SENDING, Work.PAIRING])


def _not_held(session: Session, name: str) -> LabqError:
    state = session.scalar(select(Device.state).where(Device.name == name))
    if state is None:
        return NotFoundError(f"there is no device {name!r}")
    return ConflictError(f"device {name} is {state}: nothing holds it")
