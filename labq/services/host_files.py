"""The files that LAVA's clients keep for a worker: kept for them, and shown with the jobs that ran there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.models.control import Audit
from labq.models.host import Host
from labq.models.job import Job
from labq.services import transitions
from labq.services.transitions import By

MOST_BYTES = 256 * 1024


class HostFile(StrEnum):
    """Which file: the columns of `host`."""

    CONFIG = "dispatcher_config"
    ENVIRONMENT = "environment"
    DEVICE_ENVIRONMENT = "device_environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFiles:
    """The files of a host, None for one that it has not."""

    dispatcher_config: str | None = None
    environment: str | None = None
    device_environment: str | None = None


def find(session: Session, host: str) -> HostFiles:
    """Return the files of a host; raises NotFoundError for an unknown one."""
    row = session.execute(select(*_COLUMNS).where(Host.name == host)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no host {host!r}")
    return HostFiles(**row._asdict())


def find_of_job(session: Session, job_id: int) -> HostFiles:
    """Return the files, as they are now, of the host that a job ran on last."""
    query = select(*_COLUMNS).join(Job, Job.host == Host.name).where(Job.id == job_id)
    row = session.execute(query).one_or_none()
    return HostFiles() if row is None else HostFiles(**row._asdict())


def store(session: Session, host: str, file: HostFile, text: str, *, by: By) -> None:
    """Keep a file of a host; an empty text takes it away.

    Raises NotFoundError, and InvalidInputError for one that is too large.
    """
    if len(text.encode()) > MOST_BYTES:
        raise InvalidInputError([Problem(file.value, f"larger than {MOST_BYTES} bytes")])
    rows = transitions.lock(session, Host, [host])
    if not rows:
        raise NotFoundError(f"there is no host {host!r}")
    before = getattr(rows[0], file.value)
    setattr(rows[0], file.value, text or None)
    session.add(
        Audit(
            at=by.at,
            actor=by.actor,
            subject="host",
            subject_id=host,
            before=_described(file, before),
            after=_described(file, text or None),
            reason=by.reason,
        )
    )
    session.flush()


def _described(file: HostFile, text: str | None) -> str:
    return f"no {file.value}" if text is None else f"{file.value} of {len(text)} characters"


_COLUMNS = (Host.dispatcher_config, Host.environment, Host.device_environment)
