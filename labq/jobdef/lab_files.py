"""Files that describe a lab -> Lab: labq's lab.yaml, what lavacli exports, LAVA's plain folders.

They look alike: lists or mappings of devices, device types and workers in YAML, and beside them folders
`devices`, `device-types` and `health-checks` with a file each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.health_checks import Denominator
from labq.domain.lab import (
    Lab,
    Place,
    WantedDevice,
    WantedHost,
    WantedTag,
    WantedTemplate,
    WantedText,
    WantedType,
)
from labq.domain.states import DeviceHealth
from labq.jobdef import schema, source
from labq.jobdef.device import find_extended
from labq.jobdef.schema import Check
from labq.jobdef.source import Document, Path, describe_path
from labq.jobdef.templates import ENDING

DEVICES, TYPES, CHECKS = "devices", "device-types", "health-checks"
FOLDERS: Mapping[str, str] = {DEVICES: ENDING, TYPES: ENDING, CHECKS: ".yaml"}
"""The folders beside the YAML, and how their files end."""

_NEEDED = re.compile(r"""\{%-?\s*(?:extends|include|import|from)\s+['"]([^'"]+)['"]""")
_text = schema.either("must be a string", schema.text(), schema.one_of(None))
_texts = schema.list_of(schema.text())
_ignored = dict.fromkeys(
    ("state", "pipeline", "public", "user", "group", "permissions", "display", "owners_only"),
    schema.anything,
)
_name: Mapping[str, Check] = {"name": schema.text(1), "hostname": schema.text(1)}
_KINDS: Mapping[str, Mapping[str, Check]] = {
    "hosts": {
        "address": schema.text(1),
        "description": _text,
        **dict.fromkeys(("health", "job_limit", "retire", "master", "hidden"), schema.anything),
    },
    "tags": {"description": _text},
    "aliases": {"device_type": schema.text(1)},
    "device_types": {
        "description": _text,
        "aliases": _texts,
        "health_frequency": schema.integer,
        "health_denominator": schema.one_of(*(one.value for one in Denominator)),
        "health_disabled": schema.boolean,
    },
    "devices": {
        "device_type": schema.text(1),
        **dict.fromkeys(("host", "worker", "description"), _text),
        "tags": _texts,
        "health": schema.text(1),
        "retire": schema.boolean,
    },
}
_SYNONYMS = {"device-types": "device_types", "workers": "hosts"}
_PASSED_OVER = ("groups", "users")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostNames:
    """What hosts are called here: `only` for all of them, else by the name in the files."""

    only: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str | None) -> str | None:
        """Return the name of a host, None when the files do not say which."""
        return self.only or (self.names.get(name, name) if name else None)


@dataclass(frozen=True, slots=True)
class _Item:
    name: str
    values: Mapping[str, object]
    place: Place

    def text(self, *keys: str) -> str | None:
        found = (self.values.get(key) for key in keys)
        return next((str(value) for value in found if value is not None), None)

    def texts(self, key: str) -> tuple[str, ...] | None:
        value = self.values.get(key)
        return tuple(str(item) for item in value) if isinstance(value, list) else None


def read_lab(
    configurations: Mapping[str, str],
    files: Mapping[str, str],
    *,
    hosts: HostNames,
    is_trusted: bool,
) -> Lab:
    """Return what the YAML texts (by file) and the files of the folders say.

    `files` are named as in `devices/board-1.jinja2`. Unless `is_trusted`, a device that was good is
    unknown: another server has judged it. Raises InvalidInputError with all problems.
    """
    reading = _Reading()
    for file, text in sorted(configurations.items()):
        reading.read(file, text)
    if reading.problems:
        raise InvalidInputError(reading.problems)
    devices = tuple(_devices(reading.items["devices"], files, hosts, is_trusted=is_trusted))
    return Lab(
        hosts=tuple(_hosts(reading.items["hosts"], hosts)),
        tags=tuple(
            WantedTag(name=item.name, description=item.text("description") or "")
            for item in reading.items["tags"]
        ),
        templates=tuple(
            WantedTemplate(name=name, template=text) for name, text in _folder(files, TYPES)
        ),
        device_types=tuple(_types(reading, devices, files)),
        devices=devices,
    )


class _Reading:
    """The items of all texts by kind, and what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.items: dict[str, list[_Item]] = {kind: [] for kind in _KINDS}

    def read(self, file: str, text: str) -> None:
        try:
            document = source.read(text)
        except InvalidInputError as error:
            self.problems += [
                Place(file=file, line=one.line, path=one.path).problem(one.message)
                for one in error.problems
            ]
            return
        if not isinstance(document.value, dict):
            self._wrong(file, document, (), "must be a mapping")
            return
        for key, value in document.value.items():
            kind = _SYNONYMS.get(str(key), str(key))
            if kind in _KINDS:
                self._read_kind(file, document, (key,), value)
            elif kind not in _PASSED_OVER:
                known = ", ".join((*_KINDS, *_SYNONYMS, *_PASSED_OVER))
                self._wrong(file, document, (key,), f"unknown key; known are {known}")

    def _read_kind(self, file: str, document: Document, path: Path, value: object) -> None:
        kind = _SYNONYMS.get(str(path[0]), str(path[0]))
        for name, inner, values in self._entries(file, document, path, value):
            known = {**_KINDS[kind], **_ignored, **_name}
            findings = list(schema.record({}, known)(values, inner))
            for finding in findings:
                self._wrong(file, document, *finding)
            if not findings:
                place = Place(file=file, line=document.line(inner), path=describe_path(inner))
                self.items[kind].append(_Item(name, values, place))

    def _entries(
        self, file: str, document: Document, path: Path, value: object
    ) -> Iterator[tuple[str, Path, dict[str, object]]]:
        if isinstance(value, dict):
            pairs: list[tuple[object, Path, object]] = [
                (name, (*path, name), one) for name, one in value.items()
            ]
        elif isinstance(value, list):
            pairs = [(None, (*path, index), one) for index, one in enumerate(value)]
        else:
            self._wrong(file, document, path, "must be a mapping or a list")
            return
        for given, inner, one in pairs:
            values = {} if one is None else one
            if not isinstance(values, dict):
                self._wrong(file, document, inner, "must be a mapping")
                continue
            name = given or values.get("hostname") or values.get("name")
            if isinstance(name, str):
                yield name, inner, values
            else:
                self._wrong(file, document, inner, "needs a name")

    def _wrong(self, file: str, document: Document, path: Path, message: str) -> None:
        place = Place(file=file, line=document.line(path), path=describe_path(path))
        self.problems.append(place.problem(message))


def _folder(files: Mapping[str, str], folder: str) -> Iterator[tuple[str, WantedText]]:
    """Yield the files of a folder by name without its ending."""
    ending = FOLDERS[folder]
    for file, text in sorted(files.items()):
        head, _, name = file.rpartition("/")
        if head == folder and name.endswith(ending):
            yield name.removesuffix(ending), WantedText(file=file, text=text)


def _devices(
    items: list[_Item], files: Mapping[str, str], hosts: HostNames, *, is_trusted: bool
) -> Iterator[WantedDevice]:
    texts = dict(_folder(files, DEVICES))
    for item in items:
        yield WantedDevice(
            name=item.name,
            place=item.place,
            device_type=item.text("device_type"),
            host=hosts.of(item.text("host", "worker")),
            dictionary=texts.pop(item.name, None),
            tags=item.texts("tags"),
            description=item.text("description"),
            health=_health(item, is_trusted=is_trusted),
        )
    for name, text in texts.items():
        place = Place(file=text.file)
        yield WantedDevice(name=name, place=place, host=hosts.of(None), dictionary=text)


def _health(item: _Item, *, is_trusted: bool) -> DeviceHealth | None:
    if item.values.get("retire") is True:
        return DeviceHealth.RETIRED
    word = (item.text("health") or "").lower()
    if not word:
        return None
    if word not in tuple(DeviceHealth):
        raise InvalidInputError([item.place.problem(f"{word!r} is no health of a device")])
    health = DeviceHealth(word)
    is_judged = health in (DeviceHealth.GOOD, DeviceHealth.LOOPING)
    return health if is_trusted or not is_judged else DeviceHealth.UNKNOWN


def _hosts(items: list[_Item], hosts: HostNames) -> Iterator[WantedHost]:
    if hosts.only:
        yield WantedHost(name=hosts.only)
        return
    for item in items:
        yield WantedHost(
            name=hosts.of(item.name) or item.name,
            place=item.place,
            address=item.text("address"),
            description=item.text("description"),
        )


def _types(
    reading: _Reading, devices: tuple[WantedDevice, ...], files: Mapping[str, str]
) -> Iterator[WantedType]:
    checks = dict(_folder(files, CHECKS))
    aliases: dict[str, list[str]] = {}
    for item in reading.items["aliases"]:
        aliases.setdefault(item.text("device_type") or "", []).append(item.name)
    for item in reading.items["device_types"]:
        frequency, word = item.values.get("health_frequency"), item.text("health_denominator")
        disabled = item.values.get("health_disabled")
        own = (*(item.texts("aliases") or ()), *aliases.get(item.name, ()))
        yield WantedType(
            name=item.name,
            place=item.place,
            description=item.text("description"),
            aliases=tuple(dict.fromkeys(own)),
            health_check=checks.pop(item.name, None),
            health_frequency=frequency if isinstance(frequency, int) else None,
            health_denominator=Denominator(word) if word else None,
            health_disabled=disabled if isinstance(disabled, bool) else None,
        )
    named = {item.name for item in reading.items["device_types"]}
    for name in sorted({_type_of(device) for device in devices} - named - {""}):
        check = checks.pop(name, None)
        place = Place(file=check.file) if check else Place()
        yield WantedType(
            name=name, place=place, health_check=check, aliases=tuple(aliases.get(name, ()))
        )


def _type_of(device: WantedDevice) -> str:
    text = device.dictionary.text if device.dictionary else ""
    return device.device_type or find_extended(text) or ""


def reachable(lab: Lab, shelf: Mapping[str, str]) -> tuple[WantedTemplate, ...]:
    """Return those templates of `shelf` (by file name) that the lab's files need, and lack."""
    known = {f"{one.name}{ENDING}" for one in lab.templates}
    texts = [one.template.text for one in lab.templates]
    texts += [device.dictionary.text for device in lab.devices if device.dictionary]
    found: dict[str, WantedTemplate] = {}
    while texts:
        for name in _NEEDED.findall(texts.pop()):
            if name in shelf and name not in found and name not in known:
                text = WantedText(file=name, text=shelf[name])
                found[name] = WantedTemplate(name=name.removesuffix(ENDING), template=text)
                texts.append(shelf[name])
    return tuple(found.values())
