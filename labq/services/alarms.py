"""What falls out of the lab by itself, and the mails that tell admins: at once, then together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from labq.domain.states import DeviceHealth, HostState
from labq.models.delivery import Alarm
from labq.models.device import Device
from labq.models.host import Host
from labq.models.user import User
from labq.services import deliveries
from labq.services.falls import HOST

QUIET = timedelta(minutes=10)
"""How long what happens after a mail is gathered for the next one."""
SETTLE = timedelta(seconds=60)
"""How long a host has to be silent before somebody is told; it may only have been started again."""
KEPT = timedelta(days=1)
"""What could not be told for as long is no news any more."""
MOST_TOLD = 200


def forget_old(session: Session, now: datetime) -> None:
    """Delete alarms that are no news any more, told or not."""
    session.execute(delete(Alarm).where(Alarm.at < now - KEPT))


def send_due(session: Session, now: datetime, to: Sequence[str], base: str) -> int:
    """Add the mails that are due, to these addresses or to all admins who have one.

    One mail tells of all that gathered. Returns of how many alarms it tells.
    """
    query = select(Alarm).where(Alarm.mailed_at.is_(None)).order_by(Alarm.id).limit(MOST_TOLD)
    waiting = session.scalars(query.with_for_update(skip_locked=True)).all()
    last = session.scalar(select(func.max(Alarm.mailed_at))) if waiting else None
    if not waiting or (last is not None and last > now - QUIET):
        return 0
    settled = [one for one in waiting if one.subject != HOST or one.at <= now - SETTLE]
    true = [one for one in settled if _is_still_so(session, one)]
    for one in settled:
        one.mailed_at = now
        if one not in true:
            session.delete(one)
    addresses = to or _addresses(session)
    if true and addresses:
        subject, text = _write(true, base)
        mails = [deliveries.message(one, subject, text, now) for one in addresses]
        deliveries.add(session, mails)
    session.flush()
    return len(true)


def _is_still_so(session: Session, one: Alarm) -> bool:
    if one.subject == HOST:
        state = session.scalar(select(Host.state).where(Host.name == one.name))
        return state is HostState.OFFLINE
    health = session.scalar(select(Device.health).where(Device.name == one.name))
    return health is DeviceHealth.BAD


def _addresses(session: Session) -> Sequence[str]:
    query = select(User.email).where(User.is_admin, User.is_active, User.email != "")
    return session.scalars(query.order_by(User.id)).all()


def _write(told: Sequence[Alarm], base: str) -> tuple[str, str]:
    """Return subject and text of one mail."""
    first = told[0]
    subject = f"labq: {_what(first)}"
    if len(told) > 1:
        hosts = sum(one.subject == HOST for one in told)
        subject = f"labq: {len(told) - hosts} devices and {hosts} hosts fell out"
    lines = [
        f"{one.at:%Y-%m-%d %H:%M:%S} UTC: {_what(one)}\n  {one.text}\n  {base}/{_path(one)}"
        for one in told
    ]
    rest = (
        "A device that is bad gets no jobs until somebody has looked at it: set its health to"
        " unknown to have it checked again. Jobs that run on a silent host go on there.\n"
        "What happens in the next minutes comes together in one mail."
    )
    return subject, "\n\n".join([*lines, rest]) + "\n"


def _what(one: Alarm) -> str:
    return f"host {one.name} is silent" if one.subject == HOST else f"device {one.name} is bad"


def _path(one: Alarm) -> str:
    return f"hosts/{one.name}" if one.subject == HOST else f"devices/{one.name}"
