"""Tags: the names that devices have and jobs ask for, with a number and a description of each."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.models.device import Device
from labq.models.tag import Tag
from labq.services import transitions
from labq.services.device_rights import visible_devices
from labq.services.transitions import Work
from labq.services.visibility import Viewer

LONGEST = 200
"""Characters of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagRow:
    """A tag, known to clients by name or number."""

    id: int
    name: str
    description: str


def find_all(session: Session) -> tuple[TagRow, ...]:
    """Return all tags by name."""
    query = select(Tag.id, Tag.name, Tag.description).order_by(Tag.name)
    return tuple(TagRow(**row._asdict()) for row in session.execute(query))


def find(session: Session, name: str) -> TagRow:
    """Return a tag; raises NotFoundError."""
    query = select(Tag.id, Tag.name, Tag.description).where(Tag.name == name)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no tag {name!r}")
    return TagRow(**row._asdict())


def find_devices(session: Session, viewer: Viewer, name: str) -> tuple[str, ...]:
    """Return the names of the devices with a tag that the viewer may know of."""
    query = select(Device.name).where(Device.tags.contains([name]), visible_devices(viewer))
    return tuple(session.scalars(query.order_by(Device.name)))


def find_names(session: Session, numbers: Collection[int]) -> list[str]:
    """Return the names of tags by their numbers; raises InvalidInputError for an unknown one."""
    found = dict(session.execute(select(Tag.id, Tag.name).where(Tag.id.in_(numbers))).tuples())
    for number in numbers:
        if number not in found:
            message = f'Invalid pk "{number}" - object does not exist.'
            raise InvalidInputError([Problem("tags", message)])
    return [found[number] for number in numbers]


def add(session: Session, name: str, description: str = "") -> TagRow:
    """Make a tag; raises ConflictError when there is one of this name."""
    _check(name)
    made = insert(Tag).values(name=name, description=description).on_conflict_do_nothing()
    if session.scalar(made.returning(Tag.id)) is None:
        raise ConflictError(f"there is a tag {name!r} already")
    return find(session, name)


def ensure(session: Session, names: Collection[str]) -> None:
    """See that there is a row for each of the tags that a device is given."""
    known = set(session.scalars(select(Tag.name).where(Tag.name.in_(names))))
    missing = [{"name": name} for name in sorted(set(names) - known)]
    if missing:
        session.execute(insert(Tag).values(missing).on_conflict_do_nothing())


def ensure_all(session: Session) -> None:
    """See that there is a row for each tag of any device, after devices were loaded as rows."""
    names = select(func.unnest(Device.tags).label("name")).distinct()
    session.execute(insert(Tag).from_select(["name"], names).on_conflict_do_nothing())


def describe(session: Session, name: str, description: str) -> TagRow:
    """Change what is said of a tag; raises NotFoundError."""
    session.execute(update(Tag).where(Tag.name == name).values(description=description))
    return find(session, name)


def remove(session: Session, name: str) -> None:
    """Take a tag away, from all devices too; jobs keep what they asked for. Raises NotFoundError."""
    if session.scalar(delete(Tag).where(Tag.name == name).returning(Tag.id)) is None:
        raise NotFoundError(f"there is no tag {name!r}")
    session.execute(
        update(Device)
        .where(Device.tags.contains([name]))
        .values(tags=func.array_remove(Device.tags, name))
        .execution_options(synchronize_session=False)
    )
    transitions.tell(session, work=[Work.PAIRING])


def _check(name: str) -> None:
    if not name.strip() or len(name) > LONGEST or not name.isprintable():
        message = f"must have 1 to {LONGEST} printable characters"
        raise InvalidInputError([Problem("name", message)])
