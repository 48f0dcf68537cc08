"""What people know of a board: its version, and whose it is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, Problem
from labq.models.device import Device
from labq.models.user import Group, User

NOBODY = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFacts:
    """What to note of a device: None leaves as it is, an empty text takes away.

    Owner and group are named, or known by their numbers.
    """

    version: str | None = None
    owner: str | int | None = None
    group: str | int | None = None

    def note(self, session: Session, device: Device) -> None:
        """Note it on a device; raises InvalidInputError for an unknown user or group."""
        if self.version is not None:
            device.device_version = self.version or None
        if self.owner is not None:
            device.physical_owner_id = _id_of(session, User, self.owner, "physical_owner")
        if self.group is not None:
            device.physical_group_id = _id_of(session, Group, self.group, "physical_group")


def _id_of(session: Session, kind: type[User | Group], who: str | int, field: str) -> int | None:
    if who == NOBODY:
        return None
    is_it = kind.id == who if isinstance(who, int) else kind.name == who
    found = session.scalar(select(kind.id).where(is_it))
    if found is None:
        raise InvalidInputError([Problem(field, f"there is no {kind.__tablename__} {who!r}")])
    return found
