"""Makes the lab what files say: adds and changes, all or nothing, and tells each difference.

Nothing is removed. What is so already is left alone, so that doing it twice changes nothing more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, LabqError, Problem
from labq.domain.lab import (
    Lab,
    LabChange,
    Place,
    WantedDevice,
    WantedHost,
    WantedTag,
    WantedTemplate,
    WantedType,
)
from labq.jobdef.device import find_extended, find_parent
from labq.jobdef.templates import ENDING, TYPES_FOLDER, Library
from labq.models.device import Device, DeviceType
from labq.models.device_type import DeviceTemplate
from labq.models.host import Host
from labq.models.tag import Tag
from labq.services import (
    device_aliases,
    device_templates,
    device_types,
    devices,
    hosts,
    tags,
)
from labq.services.device_types import TypeChange
from labq.services.devices import DeviceChange, NewDevice
from labq.services.transitions import By

MOST_PROBLEMS = 200
NEW = "new"
"""The field of a change that is a new thing."""
Thing = tuple[str, str]
"""What changes: its kind and its name."""


def apply(session: Session, lab: Lab, by: By, *, folders: Sequence[Path]) -> list[LabChange]:
    """Make the lab so, and return what changed.

    Raises InvalidInputError with everything that is wrong, each with its file; the caller rolls
    back what was done until then.
    """
    known = device_templates.file_names(session, folders)
    known |= {f"{one.name}{ENDING}" for one in lab.templates}
    work = _Applying(session, by, known)
    for host in lab.hosts:
        with work.noting(host.place):
            work.host(host)
    for tag in lab.tags:
        work.tag(tag)
    for template in lab.templates:
        with work.noting(Place(file=template.template.file)):
            work.template(template)
    for kind in lab.device_types:
        with work.noting(kind.place):
            work.device_type(kind)
    library = device_templates.library(session, folders)
    for device in lab.devices:
        with work.noting(device.place, device.dictionary.file if device.dictionary else ""):
            work.device(device, library)
    if work.problems:
        raise InvalidInputError(work.problems[:MOST_PROBLEMS])
    return work.changes


class _Applying:
    """One go at it: what changed and what is wrong so far."""

    def __init__(self, session: Session, by: By, known: Collection[str]) -> None:
        self.changes: list[LabChange] = []
        self.problems: list[Problem] = []
        self._session = session
        self._by = by
        self._others = known
        self._named_hosts: set[str] = set()

    @contextmanager
    def noting(self, place: Place, file: str = "") -> Iterator[None]:
        """Note what is wrong within the block; `file` is where texts stand that are judged there."""
        try:
            yield
        except InvalidInputError as error:
            self.problems += [_placed(problem, place, file) for problem in error.problems]
        except LabqError as error:
            self.problems.append(place.problem(str(error)))

    def host(self, wanted: WantedHost) -> None:
        self._named_hosts.add(wanted.name)
        row = self._session.get(Host, wanted.name)
        if row is None:
            asked = {"address": wanted.address, "description": wanted.description}
            known = {field: value for field, value in asked.items() if value is not None}
            hosts.add(self._session, wanted.name, **known)
            self._note(("host", wanted.name), NEW, "", "joins by `labq host enroll`")
            return
        for field, value in (("address", wanted.address), ("description", wanted.description)):
            if self._note(("host", wanted.name), field, getattr(row, field), value):
                setattr(row, field, value)

    def tag(self, wanted: WantedTag) -> None:
        row = self._session.scalar(select(Tag).where(Tag.name == wanted.name))
        if row is None:
            tags.add(self._session, wanted.name, wanted.description)
            self._note(("tag", wanted.name), NEW, "", wanted.description)
        elif self._note(("tag", wanted.name), "description", row.description, wanted.description):
            row.description = wanted.description

    def template(self, wanted: WantedTemplate) -> None:
        self._check_parent(wanted)
        row = self._session.get(DeviceTemplate, wanted.name)
        field, before = (NEW, "") if row is None else ("text", row.template)
        if (
            self._note(("template", wanted.name), field, before, wanted.template.text)
            or row is None
        ):
            device_templates.store(
                self._session, wanted.name, wanted.template.text, now=self._by.at
            )

    def _check_parent(self, wanted: WantedTemplate) -> None:
        """Refuse one that would get labq's own template in place of LAVA's of that name."""
        parent = find_parent(wanted.template.text)
        if parent and (TYPES_FOLDER / parent).is_file() and parent not in self._others:
            message = (
                f"extends {parent}, and only labq's own templates have one: import LAVA's folder of "
                f"device types with it, or write labq/{parent} if labq's is meant"
            )
            raise InvalidInputError([Problem("", message)])

    def device_type(self, wanted: WantedType) -> None:
        row = self._session.get(DeviceType, wanted.name)
        if row is None and device_aliases.resolve(self._session, wanted.name):
            return
        if row is None:
            devices.add_type(self._session, wanted.name)
            self._note(("device type", wanted.name), NEW, "", wanted.name)
            row = self._session.get_one(DeviceType, wanted.name)
        check = wanted.health_check
        asked = TypeChange(
            description=wanted.description,
            health_check=None if check is None else check.text,
            health_frequency=wanted.health_frequency,
            health_denominator=wanted.health_denominator,
            health_disabled=wanted.health_disabled,
        )
        fields = [
            field for field in TypeChange.__dataclass_fields__ if self._differs(row, asked, field)
        ]
        for alias in wanted.aliases:
            self._alias(alias, wanted.name)
        if fields:
            file = check.file if check else ""
            with self.noting(wanted.place, file):
                device_types.change(self._session, wanted.name, asked, self._by)

    def _differs(self, row: DeviceType, asked: TypeChange, field: str) -> bool:
        return self._note(
            ("device type", row.name), field, getattr(row, field), getattr(asked, field)
        )

    def _alias(self, alias: str, device_type: str) -> None:
        if device_aliases.resolve(self._session, alias) != device_type:
            device_aliases.add(self._session, alias, device_type, self._by)
            self._note(("device type", device_type), "alias", "", alias)

    def device(self, wanted: WantedDevice, library: Library) -> None:
        row = self._session.scalar(select(Device).where(Device.name == wanted.name))
        if row is None:
            self._add(wanted, library)
        else:
            self._change(row, wanted, library)

    def _add(self, wanted: WantedDevice, library: Library) -> None:
        text = wanted.dictionary.text if wanted.dictionary else ""
        kind = wanted.device_type or find_extended(text)
        if kind is None:
            raise InvalidInputError([Problem("", "no device type is said, and it extends none")])
        host = wanted.host or self._only_host()
        if self._session.get(Host, host) is None:
            self._miss_host(wanted, host, library)
            return
        device_type = device_aliases.resolve(self._session, kind) or kind
        new = NewDevice(
            name=wanted.name,
            device_type=device_type,
            host=host,
            template=text,
            tags=wanted.tags or (),
            description=wanted.description or "",
        )
        new = new if wanted.health is None else replace(new, health=wanted.health)
        devices.add(self._session, new, templates=library)
        self._note(("device", wanted.name), NEW, "", f"{device_type} on host {host}")

    def _miss_host(self, wanted: WantedDevice, host: str, library: Library) -> None:
        """Note that there is no such host, unless it was told already, and look at the dictionary."""
        if host not in self._named_hosts:
            self.problems.append(wanted.place.problem(f"there is no host {host!r}"))
        if wanted.dictionary:
            kind = wanted.device_type or ""
            text = wanted.dictionary.text
            devices.check(text, name=wanted.name, device_type=kind, library=library)

    def _only_host(self) -> str:
        """Return the host of a lab that has one."""
        names = self._session.scalars(select(Host.name).order_by(Host.name).limit(2)).all()
        if len(names) != 1:
            raise InvalidInputError([Problem("", "say which host it hangs on (`--host NAME`)")])
        return names[0]

    def _change(self, row: Device, wanted: WantedDevice, library: Library) -> None:
        kind = wanted.device_type and (
            device_aliases.resolve(self._session, wanted.device_type) or wanted.device_type
        )
        text = wanted.dictionary.text if wanted.dictionary else None
        tags = None if wanted.tags is None else sorted(set(wanted.tags))
        compared = (
            ("device_type", row.device_type, kind),
            ("host", row.next_host or row.host, wanted.host),
            ("dictionary", row.template, text),
            ("tags", row.tags, tags),
            ("description", row.description, wanted.description),
        )
        name = wanted.name
        changed = [one[0] for one in compared if self._note(("device", name), *one)]
        if changed:
            asked = DeviceChange(
                template=text if "dictionary" in changed else None,
                device_type=kind,
                host=wanted.host,
                when_idle=True,
                tags=wanted.tags,
                description=wanted.description,
            )
            devices.change(self._session, name, asked, templates=library)

    def _note(self, what: Thing, field: str, before: object, after: object) -> bool:
        """Note a difference; tell whether there is one."""
        if after is None or before == after:
            return False
        kind, name = what
        self.changes.append(
            LabChange(kind=kind, name=name, field=field, before=_said(before), after=_said(after))
        )
        return True


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def _placed(problem: Problem, place: Place, file: str) -> Problem:
    """Return a problem of a text with its file; one of another template names that itself."""
    if problem.line is None or not file:
        return place.problem(problem.describe() if problem.path else problem.message)
    path = f"{file}: {problem.path}" if problem.path else file
    return Problem(path=path, line=problem.line, message=problem.message)
