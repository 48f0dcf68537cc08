"""Further names of device types: a job that asks for one gets devices of the type."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, NotFoundError
from labq.models.control import Audit
from labq.models.device import DeviceType
from labq.models.device_type import DeviceTypeAlias
from labq.services import prepared
from labq.services.devices import check_name
from labq.services.transitions import By


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRow:
    """A further name and the device type that it stands for."""

    name: str
    device_type: str


def resolve(session: Session, name: str) -> str | None:
    """Return the device type of this name, or that the alias stands for; None for neither."""
    return prepared.run(session, _RESOLVE, {"name": name}).scalar()


def find_all(session: Session, device_type: str | None = None) -> list[AliasRow]:
    """Return aliases by name, of one type or of all."""
    query = select(DeviceTypeAlias.name, DeviceTypeAlias.device_type)
    if device_type is not None:
        query = query.where(DeviceTypeAlias.device_type == device_type)
    rows = session.execute(query.order_by(DeviceTypeAlias.name))
    return [AliasRow(**row._asdict()) for row in rows]


def find(session: Session, name: str) -> AliasRow:
    """Return one alias; raises NotFoundError."""
    row = session.get(DeviceTypeAlias, name)
    if row is None:
        raise NotFoundError(f"there is no alias {name!r}")
    return AliasRow(name=row.name, device_type=row.device_type)


def add(session: Session, name: str, device_type: str, by: By) -> None:
    """Give a device type a further name.

    Raises InvalidInputError for a bad name, NotFoundError for an unknown type, ConflictError when
    the name is that of a type or of another alias.
    """
    check_name(name)
    if session.get(DeviceType, device_type) is None:
        raise NotFoundError(f"there is no device type {device_type!r}")
    if session.get(DeviceType, name) is not None:
        raise ConflictError(f"there is a device type {name!r}")
    found = session.get(DeviceTypeAlias, name)
    if found is not None:
        raise ConflictError(f"{name!r} is an alias of device type {found.device_type} already")
    session.add(DeviceTypeAlias(name=name, device_type=device_type))
    _note(session, device_type, by, after=name)


def remove(session: Session, name: str, by: By) -> None:
    """Take a further name away; jobs that were submitted under it stay. Raises NotFoundError."""
    row = session.get(DeviceTypeAlias, name)
    if row is None:
        raise NotFoundError(f"there is no alias {name!r}")
    session.delete(row)
    _note(session, row.device_type, by, before=name)


_RESOLVE = """
SELECT name FROM device_type WHERE name = %(name)s
 UNION ALL
SELECT device_type FROM device_type_alias WHERE name = %(name)s
 LIMIT 1
"""


def _note(session: Session, device_type: str, by: By, *, before: str = "", after: str = "") -> None:
    session.add(
        Audit(
            at=by.at,
            actor=by.actor,
            subject="device_type",
            subject_id=device_type,
            before=f"alias {before}" if before else "",
            after=f"alias {after}" if after else "",
            reason=by.reason,
        )
    )
    session.flush()
