"""Users, groups, and the rights that groups have on devices and types, as LAVA's clients list them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Text, func, select, type_coerce

from labq.domain.rights import Right
from labq.models.device import Device, DeviceType
from labq.models.rights import DeviceRight, DeviceTypeRight
from labq.models.user import Group, Login, Membership, User
from labq.services.tables import kinds
from labq.services.tables.lookups import Column, Fields, Relation, any_of, choice, number, text
from labq.services.tables.page import Table

_GROUPS = func.array(
    select(Group.name)
    .join(Membership, Membership.group_id == Group.id)
    .where(Membership.user_id == User.id)
    .order_by(Group.name)
    .correlate(User)
    .scalar_subquery()
)
_LAST_LOGIN = (
    select(func.max(Login.created_at)).where(Login.user_id == User.id).correlate(User)
).scalar_subquery()
USERS = Table(
    model=User,
    columns=(
        User.id,
        User.name,
        User.first_name,
        User.last_name,
        User.email,
        User.is_active,
        User.is_staff,
        User.is_admin,
        _GROUPS.label("groups"),
        _LAST_LOGIN.label("last_login"),
        User.created_at,
    ),
    fields={**kinds.USERS, "email": text(User.email)},
    orders={"id": User.id, "username": User.name, "email": User.email},
    order=("id",),
)
GROUPS = Table(
    model=Group,
    columns=(Group.id, Group.name),
    fields=kinds.GROUPS,
    orders={"id": Group.id, "name": Group.name},
    order=("id",),
)


@dataclass(frozen=True, slots=True)
class RightWords:
    """What a right is called: `view_device`, with the kind of thing that it is on."""

    kind: str

    @property
    def by_word(self) -> Mapping[str, str]:
        """Return the stored right by its word."""
        return {f"{right.value}_{self.kind}": right.value for right in Right}

    def word(self, right: Right) -> str:
        """Return the word of a right."""
        return f"{right.value}_{self.kind}"

    def find(self, word: str) -> Right | None:
        """Return the right of a word, None when it is none."""
        return Right(self.by_word[word]) if word in self.by_word else None


DEVICE_WORDS, TYPE_WORDS = RightWords("device"), RightWords("devicetype")


def _fields(group: Column, grants: Column, words: RightWords) -> Fields:
    granted = choice(type_coerce(grants, Text), words.by_word)
    return {
        "group": Relation(number(Group.id), lambda keys: any_of(group, keys), kinds.GROUPS),
        "permission": Relation(
            granted, lambda keys: any_of(type_coerce(grants, Text), keys), {"codename": granted}
        ),
    }


def _with_group(query: Select[Any]) -> Select[Any]:
    return query.join(Group, Group.id == DeviceRight.group_id).join(
        Device, Device.id == DeviceRight.device_id
    )


def _with_type_group(query: Select[Any]) -> Select[Any]:
    return query.join(Group, Group.id == DeviceTypeRight.group_id)


DEVICE_RIGHTS = Table(
    model=DeviceRight,
    columns=(
        DeviceRight.id,
        Device.name.label("of"),
        Group.name.label("group"),
        DeviceRight.grants,
    ),
    fields={
        "id": number(DeviceRight.id),
        "device": Relation(
            text(Device.name),
            lambda keys: DeviceRight.device_id.in_(
                select(Device.id).where(any_of(Device.name, keys))
            ),
            kinds.DEVICES,
        ),
        **_fields(DeviceRight.group_id, DeviceRight.grants, DEVICE_WORDS),
    },
    orders={"id": DeviceRight.id},
    order=("id",),
    join=_with_group,
)
TYPE_RIGHTS = Table(
    model=DeviceTypeRight,
    columns=(
        DeviceTypeRight.id,
        DeviceTypeRight.device_type.label("of"),
        Group.name.label("group"),
        DeviceTypeRight.grants,
    ),
    fields={
        "id": number(DeviceTypeRight.id),
        "device_type": Relation(
            text(DeviceType.name),
            lambda keys: any_of(DeviceTypeRight.device_type, keys),
            kinds.DEVICE_TYPES,
        ),
        **_fields(DeviceTypeRight.group_id, DeviceTypeRight.grants, TYPE_WORDS),
    },
    orders={"id": DeviceTypeRight.id},
    order=("id",),
    join=_with_type_group,
)
