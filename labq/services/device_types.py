"""Device types: made known, and told how their devices are proven."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.domain.health_checks import Denominator
from labq.jobdef.parse import parse_job
from labq.models.control import Audit
from labq.models.device import DeviceType
from labq.services import device_aliases, transitions
from labq.services.transitions import By, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeChange:
    """What to change of a device type; None leaves as it is.

    `health_check` is a job definition, empty to have none.
    """

    description: str | None = None
    health_check: str | None = None
    health_frequency: int | None = None
    health_denominator: Denominator | None = None
    health_disabled: bool | None = None
    is_displayed: bool | None = None
    architecture: str | None = None
    processor: str | None = None
    cpu_model: str | None = None
    bits: int | None = None
    cores: tuple[str, ...] | None = None
    core_count: int | None = None


_PLAIN = tuple(name for name in TypeChange.__dataclass_fields__ if name != "health_check")


def change(session: Session, name: str, wanted: TypeChange, by: By) -> None:
    """Change a device type and wake the conductor.

    Raises NotFoundError, and InvalidInputError for a health check that no device of the type could
    run.
    """
    rows = transitions.lock(session, DeviceType, [name])
    if not rows:
        raise NotFoundError(f"there is no device type {name!r}")
    kind = rows[0]
    before = _describe(kind)
    if wanted.health_check:
        _check(session, wanted.health_check, name)
    if wanted.health_check is not None:
        kind.health_check = wanted.health_check or None
    for field in _PLAIN:
        value = getattr(wanted, field)
        if value is not None:
            setattr(kind, field, value)
    if (after := _describe(kind)) != before:
        audit = {"subject": "device_type", "subject_id": name, "reason": by.reason}
        session.add(Audit(at=by.at, actor=by.actor, before=before, after=after, **audit))
    session.flush()
    transitions.tell(session, work=[Work.PAIRING])


def find_health_check(session: Session, name: str) -> str:
    """Return the definition of a type's health check; raises NotFoundError when it has none."""
    kind = session.get(DeviceType, name)
    if kind is None:
        raise NotFoundError(f"there is no device type {name!r}")
    if kind.health_check is None:
        raise NotFoundError(f"device type {name} has no health check")
    return kind.health_check


def _describe(kind: DeviceType) -> str:
    """Return on one line how the devices of a type are checked."""
    if kind.health_check is None:
        return "no health check"
    often = f"a health check every {kind.health_frequency} {kind.health_denominator}"
    return f"{often}, disabled" if kind.health_disabled else often


def _check(session: Session, text: str, name: str) -> None:
    spec = parse_job(text)
    if device_aliases.resolve(session, spec.device_type) != name:
        message = f"it is for {spec.device_type!r}, the health check of {name!r} must be for that"
        raise InvalidInputError([Problem("device_type", message)])
