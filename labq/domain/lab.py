"""A lab as files describe it: hosts, templates, device types and devices that there are to be.

A value that is None is not said, and stays as it is. Each thing knows the file and line that say it.
"""

from __future__ import annotations

from dataclasses import dataclass

from labq.domain.errors import Problem
from labq.domain.health_checks import Denominator
from labq.domain.states import DeviceHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a thing is described; `path` is the place within the file, for people."""

    file: str = ""
    line: int | None = None
    path: str = ""

    def problem(self, message: str) -> Problem:
        """Return a message with this place."""
        where = f"{self.file}: {self.path}" if self.path else self.file
        return Problem(path=where, line=self.line, message=message)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedText:
    """The whole text of a file."""

    file: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedHost:
    """A lab host. One that is new is known, and joins later."""

    name: str
    place: Place = Place()
    address: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTag:
    """What a tag of devices means."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTemplate:
    """A template that device files extend, by its name without the ending."""

    name: str
    template: WantedText


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedType:
    """A device type; `aliases` are those that it is to have at least."""

    name: str
    place: Place = Place()
    description: str | None = None
    aliases: tuple[str, ...] = ()
    health_check: WantedText | None = None
    health_frequency: int | None = None
    health_denominator: Denominator | None = None
    health_disabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDevice:
    """A device; `health` is for one that is new. Without a type it is of the one that its file extends."""

    name: str
    place: Place = Place()
    device_type: str | None = None
    host: str | None = None
    dictionary: WantedText | None = None
    tags: tuple[str, ...] | None = None
    description: str | None = None
    health: DeviceHealth | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """All of it. What is not named here is left alone."""

    hosts: tuple[WantedHost, ...] = ()
    tags: tuple[WantedTag, ...] = ()
    templates: tuple[WantedTemplate, ...] = ()
    device_types: tuple[WantedType, ...] = ()
    devices: tuple[WantedDevice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabChange:
    """One difference: of what, which field, from and to. A new thing has the field `new`."""

    kind: str
    name: str
    field: str
    before: str
    after: str
