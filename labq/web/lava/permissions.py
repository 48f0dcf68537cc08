"""LAVA's names of what a group may do with a device or a device type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labq.domain.rights import Right
from labq.services.device_rights import GrantRow
from labq.web.lava.faults import bad_request

Names = Mapping[str, Right]
DEVICE: Names = {
    "view_device": Right.VIEW,
    "submit_to_device": Right.SUBMIT,
    "change_device": Right.CHANGE,
}
DEVICE_TYPE: Names = {
    "view_devicetype": Right.VIEW,
    "submit_to_devicetype": Right.SUBMIT,
    "change_devicetype": Right.CHANGE,
}


def named(names: Names, grants: Sequence[GrantRow]) -> list[dict[str, str]]:
    """Return rights as LAVA lists them: name and group."""
    words = {right: name for name, right in names.items()}
    return [{"name": words[grant.right], "group": grant.group} for grant in grants]


def find(names: Names, name: str) -> Right:
    """Return the right of a name; raises Fault for another one."""
    right = names.get(name)
    if right is None:
        raise bad_request(f"Invalid permission '{name}': one of {', '.join(names)}")
    return right
