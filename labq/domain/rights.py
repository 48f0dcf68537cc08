"""Rights of groups on devices and device types: what follows from those that were given."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    """What members of a group may do with a device, or with all devices of a type.

    Each includes those before it.
    """

    VIEW = "view"
    SUBMIT = "submit"
    CHANGE = "change"

    @property
    def sufficient(self) -> tuple[Right, ...]:
        """Return the rights that include this one."""
        every = tuple(Right)
        return every[every.index(self) :]


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """A right that a group was given."""

    group: int
    right: Right


Groups = frozenset[int] | None
"""Whose members may: of any of these groups; None is everybody."""


def holders(right: Right, device: Collection[Grant], kind: Collection[Grant] = ()) -> Groups:
    """Return which groups' members have a right on a device with these grants on it and on its type.

    It is restricted where some group was given this very right: a restricted device asks nothing
    of its type, one that is not is as its type is. Nobody has the right to change without a grant.
    """
    if _is_restricted(right, device):
        return _holding(right, device)
    if _is_restricted(right, kind) or right is Right.CHANGE:
        return _holding(right, device) | _holding(right, kind)
    return None


def _is_restricted(right: Right, grants: Collection[Grant]) -> bool:
    return any(grant.right is right for grant in grants)


def _holding(right: Right, grants: Collection[Grant]) -> frozenset[int]:
    return frozenset(grant.group for grant in grants if grant.right in right.sufficient)
