"""The devices of a group: their names, the network between them, their addresses in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labq.cli.api import Row

MOST_MEMBERS = 60
KINDS = ("qemu", "uml")
MARK = "device group"
"""What the description of a member begins with."""
_FIRST_PORT, _PORTS = 20_000, 12_000


@dataclass(frozen=True, slots=True)
class Member:
    """A device of a group: `place` counts from 1 and is the end of its addresses."""

    group: str
    host: str
    kind: str
    place: int

    @property
    def name(self) -> str:
        """Return the device's name."""
        return f"{self.group}-{self.place}"

    @property
    def address(self) -> str:
        """Return the address that tests are to give it, the same in every group (RFC 5737)."""
        return f"192.0.2.{self.place}"

    def body(self) -> Row:
        """Return the device as the server takes it."""
        return {
            "name": self.name,
            "device_type": self.kind,
            "host": self.host,
            "template": self.template(),
            "tags": [self.group],
            "description": f"{MARK} {self.group}, member {self.place}",
            "health": "good",
        }

    def template(self) -> str:
        """Return the device's file. The network's multicast group is that of no other one."""
        digest = hashlib.sha256(f"{self.host}/{self.group}".encode()).digest()
        multicast = ".".join(str(part) for part in (239, *digest[:3]))
        port = _FIRST_PORT + int.from_bytes(digest[3:5], "big") % _PORTS
        info = {"group": self.group, "member": str(self.place), "address": self.address}
        return (
            f"{{% extends '{self.kind}.jinja2' %}}\n"
            f"{{% set group_network = '{multicast}:{port}' %}}\n"
            f"{{% set group_mac = '52:54:00:00:02:{self.place:02x}' %}}\n"
            f"{{% set static_info = [{info!r}] %}}\n"
        )


def find(devices: Iterable[Row], group: str | None = None) -> Iterator[Row]:
    """Yield the devices of a group, or of all groups, with the group's name; not retired ones."""
    for device in devices:
        words = str(device["description"]).removeprefix(f"{MARK} ").partition(", member ")
        is_member = str(device["description"]).startswith(MARK) and bool(words[1])
        if is_member and device["health"] != "retired" and group in (None, words[0]):
            yield {**device, "group": words[0]}
