"""Templates of device files that the server keeps; others lie in folders, or come with labq."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.names import check_template_name
from labq.jobdef.templates import ENDING, TYPES_FOLDER, Library
from labq.models.device import DeviceType
from labq.models.device_type import DeviceTemplate
from labq.services import device_rights, transitions
from labq.services.transitions import Work
from labq.services.visibility import Viewer

Templates = Sequence[Path] | Library
"""The folders of a site, or all that was read of it already."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What tells the stored templates of now from those of another time."""

    templates: int
    changed_at: datetime | None


def library(session: Session, templates: Templates) -> Library:
    """Return where the templates of device files are found."""
    if isinstance(templates, Library):
        return templates
    rows = session.execute(
        select(DeviceTemplate.name, DeviceTemplate.template).order_by(DeviceTemplate.name)
    )
    return Library(folders=tuple(templates), stored=tuple((row.name, row.template) for row in rows))


def mark(session: Session) -> Mark:
    """Return what changes whenever a stored template does."""
    query = select(func.count(), func.max(DeviceTemplate.changed_at)).select_from(DeviceTemplate)
    count, changed_at = session.execute(query).one()
    return Mark(count, changed_at)


def file_names(session: Session, folders: Sequence[Path]) -> set[str]:
    """Return the file names of the site's templates: those stored and those of its folders."""
    stored = session.scalars(select(DeviceTemplate.name))
    lying = {path.name for folder in folders for path in folder.glob(f"*{ENDING}")}
    return {f"{name}{ENDING}" for name in stored} | lying


def find(session: Session, name: str, *, folders: Sequence[Path]) -> str:
    """Return the text of the template `name`, wherever it is; raises NotFoundError."""
    row = session.get(DeviceTemplate, name)
    if row is not None:
        return row.template
    check_template_name(name)
    for folder in (*folders, TYPES_FOLDER):
        path = folder / f"{name}{ENDING}"
        if path.is_file():
            return path.read_text()
    raise NotFoundError(f"there is no template {name!r}")


def find_names(session: Session, *, folders: Sequence[Path]) -> set[str]:
    """Return the names of all templates but those that are there to be extended."""
    stored = session.scalars(select(DeviceTemplate.name))
    files = (path.stem for folder in (*folders, TYPES_FOLDER) for path in folder.glob(f"*{ENDING}"))
    return {name for name in (*stored, *files) if not name.startswith("base")}


def is_own(session: Session, name: str, *, folders: Sequence[Path]) -> bool:
    """Tell whether the site has a template of this name, so that the one of labq is not taken."""
    if session.get(DeviceTemplate, name) is not None:
        return True
    return any((folder / f"{name}{ENDING}").is_file() for folder in folders)


def find_visible(session: Session, viewer: Viewer, name: str, *, folders: Sequence[Path]) -> str:
    """Return what `find` does; one of a device type that the viewer may not know of is not there."""
    kind = session.get(DeviceType, name)
    if kind is not None and not device_rights.may_view(session, viewer, kind):
        raise NotFoundError(f"there is no template {name!r}")
    return find(session, name, folders=folders)


def store(session: Session, name: str, template: str, *, now: datetime) -> None:
    """Keep a template under a name, in place of the one there was, and wake the conductor.

    Raises InvalidInputError for a name that no template can have. The text is not judged: it may
    extend what comes later, and LAVA does not judge it either.
    """
    check_template_name(name)
    new = {"template": template, "changed_at": now}
    statement = insert(DeviceTemplate).values(name=name, **new)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=new))
    transitions.tell(session, work=[Work.PAIRING])


def remove(session: Session, name: str) -> None:
    """Keep a template no longer; raises NotFoundError."""
    statement = delete(DeviceTemplate).where(DeviceTemplate.name == name)
    if not session.execute(statement.returning(DeviceTemplate.name)).all():
        raise NotFoundError(f"no template {name!r} is stored")
