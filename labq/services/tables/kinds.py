"""What lists may be filtered by through a relation: the fields of types, devices, people and more."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Text, func, select, type_coerce
from sqlalchemy.orm import aliased

from labq.domain.health_checks import Denominator
from labq.domain.states import DeviceHealth, DeviceState, HostHealth, HostState, JobState, Outcome
from labq.models.device import Device, DeviceType
from labq.models.device_type import DeviceTypeAlias
from labq.models.host import Host
from labq.models.tag import Tag
from labq.models.user import Group, Membership, User
from labq.services.tables.lookups import (
    Fields,
    Relation,
    any_of,
    choice,
    flag,
    moment,
    number,
    text,
)

DENOMINATORS: Mapping[str, str] = {"hours": Denominator.HOURS.value, "jobs": Denominator.JOBS.value}
JOB_STATES: Mapping[str, str] = {
    "Submitted": JobState.SUBMITTED.value,
    "Scheduling": "scheduling",
    **{state.value.capitalize(): state.value for state in JobState},
}
JOB_HEALTHS: Mapping[str, str | None] = {
    "Unknown": None,
    **{outcome.value.capitalize(): outcome.value for outcome in Outcome},
}
_GROUP: Fields = {"id": number(Group.id), "name": text(Group.name)}
GROUPS = _GROUP
"""Groups, which nothing else is asked of."""
_MEMBERS = aliased(Membership)
USERS: Fields = {
    "id": number(User.id),
    "username": text(User.name),
    "group": Relation(
        number(Group.id),
        lambda keys: User.id.in_(select(_MEMBERS.user_id).where(any_of(_MEMBERS.group_id, keys))),
        GROUPS,
    ),
}
TAGS: Fields = {
    "id": number(Tag.id),
    "name": text(Tag.name),
    "description": text(Tag.description),
}
HOSTS: Fields = {
    "hostname": text(Host.name),
    "description": text(Host.description),
    "last_ping": moment(Host.reported_at),
    "job_limit": number(Host.job_limit),
    "version": text(Host.version),
    "state": choice(
        type_coerce(Host.state, Text),
        {state.value.capitalize(): state.value for state in HostState},
        any_case=True,
    ),
    "health": choice(
        type_coerce(Host.health, Text),
        {health.value.capitalize(): health.value for health in HostHealth},
        any_case=True,
    ),
}
ALIASES: Fields = {"name": text(DeviceTypeAlias.name)}
_ALIAS = Relation(
    text(DeviceTypeAlias.name),
    lambda keys: DeviceType.name.in_(
        select(DeviceTypeAlias.device_type).where(any_of(DeviceTypeAlias.name, keys))
    ),
    ALIASES,
)
DEVICE_TYPES: Fields = {
    "name": text(DeviceType.name),
    "description": text(DeviceType.description),
    "cpu_model": text(DeviceType.cpu_model),
    "core_count": number(DeviceType.core_count),
    "health_frequency": number(DeviceType.health_frequency),
    "disable_health_check": flag(DeviceType.health_disabled),
    "health_denominator": choice(
        type_coerce(DeviceType.health_denominator, Text), DENOMINATORS, any_case=True
    ),
    "display": flag(DeviceType.is_displayed),
    "alias": _ALIAS,
    "aliases": _ALIAS,
    "architecture": Relation(
        text(DeviceType.architecture),
        lambda keys: any_of(DeviceType.architecture, keys),
        {"name": text(DeviceType.architecture)},
    ),
    "processor": Relation(
        text(DeviceType.processor),
        lambda keys: any_of(DeviceType.processor, keys),
        {"name": text(DeviceType.processor)},
    ),
    "bits": Relation(
        number(DeviceType.bits),
        lambda keys: any_of(DeviceType.bits, keys),
        {"width": number(DeviceType.bits)},
    ),
    "cores": Relation(
        text(func.unnest(DeviceType.cores)),
        lambda keys: DeviceType.cores.overlap([str(key) for key in keys]),
        {"name": text(func.array_to_string(DeviceType.cores, ","))},
    ),
}
DEVICES: Fields = {
    "hostname": text(Device.name),
    "description": text(Device.description),
    "device_version": text(Device.device_version),
    "state": choice(
        type_coerce(Device.state, Text),
        {state.value.capitalize(): state.value for state in DeviceState},
        any_case=True,
    ),
    "health": choice(
        type_coerce(Device.health, Text),
        {health.value.capitalize(): health.value for health in DeviceHealth},
        any_case=True,
    ),
    "device_type": Relation(
        text(DeviceType.name), lambda keys: any_of(Device.device_type, keys), DEVICE_TYPES
    ),
    "worker_host": Relation(text(Host.name), lambda keys: any_of(Device.host, keys), HOSTS),
    "tags": Relation(
        number(Tag.id),
        lambda keys: Device.tags.overlap(
            func.array(select(Tag.name).where(any_of(Tag.id, keys)).scalar_subquery())
        ),
        TAGS,
    ),
    "physical_owner": Relation(
        number(User.id), lambda keys: any_of(Device.physical_owner_id, keys), USERS
    ),
    "physical_group": Relation(
        number(Group.id), lambda keys: any_of(Device.physical_group_id, keys), GROUPS
    ),
}
