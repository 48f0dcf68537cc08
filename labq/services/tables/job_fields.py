"""What jobs may be filtered by, and which of it an index of the lists finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, false, func, or_, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.states import JobState
from labq.models.audience import Audience
from labq.models.device import Device, DeviceType
from labq.models.job import Job, JobDefinition, JobLabel
from labq.models.job_group import JobGroup
from labq.models.tag import Tag
from labq.models.user import Group, User
from labq.services import job_labels
from labq.services.tables.kinds import (
    DEVICE_TYPES,
    DEVICES,
    GROUPS,
    JOB_HEALTHS,
    JOB_STATES,
    TAGS,
    USERS,
)
from labq.services.tables.lookups import (
    Column,
    Condition,
    Fields,
    Lookup,
    Relation,
    any_of,
    choice,
    conditions,
    flag,
    matches,
    moment,
    number,
    text,
    truth,
)

METADATA = "metadata__"
MOST_DEPTH = 8
"""Keys of metadata, one in the other, that a filter may name."""
_LOOKUPS = frozenset(Lookup) - {Lookup.CONTAINS, Lookup.LT, Lookup.LTE, Lookup.GT, Lookup.GTE}
_PATTERNS = frozenset({"regex", "iregex"})


def _names_of(keys: Sequence[Any]) -> ColumnElement[Any]:
    """Return the names of tags as an array."""
    return func.array(select(Tag.name).where(any_of(Tag.id, keys)).scalar_subquery())


def _labelled(*label: ColumnElement[bool]) -> ColumnElement[bool]:
    return Job.id.in_(select(JobLabel.job_id).where(*label))


def _own_text(column: Column, *of: ColumnElement[bool]) -> ColumnElement[Any]:
    return select(column).where(*of).correlate(Job).scalar_subquery()


_DEFINITION = text(_own_text(JobDefinition.definition, JobDefinition.job_id == Job.id))
_WHOLE = _own_text(JobGroup.definition, JobGroup.id == Job.group_id)
FIELDS: Fields = {
    "id": number(Job.id, "id", -Job.id),
    "description": text(Job.name),
    "health_check": flag(Job.is_health_check),
    "priority": number(Job.priority),
    "submit_time": moment(Job.submitted_at),
    "start_time": moment(Job.started_at),
    "end_time": moment(Job.ended_at),
    "state": choice(type_coerce(Job.state, Text), JOB_STATES, "state"),
    "health": choice(type_coerce(Job.outcome, Text), JOB_HEALTHS, "outcome"),
    "failure_comment": text(Job.failure_comment),
    "definition": _DEFINITION,
    "original_definition": _DEFINITION,
    "multinode_definition": text(_WHOLE),
    "target_group": text(_own_text(JobGroup.name, JobGroup.id == Job.group_id)),
    "requested_device_type": Relation(
        text(DeviceType.name),
        lambda keys: any_of(Job.device_type, keys),
        DEVICE_TYPES,
        "device_type",
    ),
    "actual_device": Relation(
        text(Device.name),
        lambda keys: Job.device_id.in_(select(Device.id).where(any_of(Device.name, keys))),
        DEVICES,
        "device",
    ),
    "submitter": Relation(
        number(User.id), lambda keys: any_of(Job.submitter_id, keys), USERS, "submitter"
    ),
    "viewing_groups": Relation(
        number(Group.id),
        lambda keys: Job.audience_id.in_(
            select(Audience.id).where(Audience.groups.overlap(list(keys)))
        ),
        GROUPS,
    ),
    "tags": Relation(
        number(Tag.id),
        lambda keys: _labelled(
            JobLabel.name == job_labels.TAG,
            JobLabel.value.in_(select(Tag.name).where(any_of(Tag.id, keys))),
        ),
        TAGS,
        "tag",
    ),
    "failure_tags": Relation(
        number(Tag.id), lambda keys: Job.failure_tags.overlap(_names_of(keys)), TAGS
    ),
}


def _has_state(state: str) -> ColumnElement[bool]:
    """Return the condition for a state, of which each kind has indexes of its own."""
    column = type_coerce(Job.state, Text)
    if state == JobState.FINISHED.value:
        return column == state
    return and_(column == state, column != JobState.FINISHED.value)


ORDERS: Mapping[str, Column] = {
    "id": Job.id,
    "submit_time": Job.submitted_at,
    "start_time": Job.started_at,
    "end_time": Job.ended_at,
}
# What finds the fewest jobs first. A label is looked for in its own table.
DRIVES: Mapping[str, Callable[[Any], ColumnElement[bool]]] = {
    "device": lambda name: (
        Job.device_id == select(Device.id).where(Device.name == name).scalar_subquery()
    ),
    "submitter": lambda user: Job.submitter_id == user,
    "metadata": lambda pair: and_(JobLabel.name == pair[0], JobLabel.value == pair[1]),
    "tag": lambda tag: and_(
        JobLabel.name == job_labels.TAG,
        JobLabel.value == select(Tag.name).where(Tag.id == tag).scalar_subquery(),
    ),
    "state": _has_state,
    "device_type": lambda name: Job.device_type == name,
    "outcome": lambda outcome: type_coerce(Job.outcome, Text) == outcome,
}
BY_LABEL = frozenset({"metadata", "tag"})


def asked(session: Session, filters: Sequence[tuple[str, str]]) -> list[Condition]:
    """Return what filters of jobs ask; raises InvalidInputError with all that means nothing."""
    rest = [one for one in filters if not one[0].startswith(METADATA)]
    found = conditions(session, FIELDS, rest)
    for name, value in filters:
        if name.startswith(METADATA) and value:
            try:
                found.append(_metadata(name.removeprefix(METADATA), value))
            except ValueError as error:
                raise InvalidInputError([Problem(name, str(error))]) from error
    return found


def _metadata(name: str, value: str) -> Condition:
    """Return what is asked of metadata: of the whole, of one key, or of one in others."""
    if "\0" in name + value:
        message = "Null characters are not allowed."
        raise ValueError(message)
    if name in _WHOLES:
        return _has(_WHOLES[name](value))
    *path, last = name.split("__")
    if last in _PATTERNS:
        message = "regular expressions are not offered: use contains, startswith or endswith"
        raise ValueError(message)
    if not path or last not in {one.value for one in _LOOKUPS}:
        path, last = [*path, last], Lookup.EXACT.value
    if len(path) > MOST_DEPTH:
        message = f"at most {MOST_DEPTH} keys, one in the other"
        raise ValueError(message)
    return _of_key(path, Lookup(last), value)


def _of_key(path: Sequence[str], lookup: Lookup, value: str) -> Condition:
    found = func.jsonb_extract_path_text(JobDefinition.job_metadata, *path)
    match lookup:
        case Lookup.EXACT:
            return _equals(path, value)
        case Lookup.IN:
            values = [one.strip() for one in value.split(",")]
            return _has(found.in_(values))
        case Lookup.ISNULL:
            return _has(found.is_(None) if truth(value) else found.is_not(None))
        case _:
            return _has(matches(found, lookup, value))


def _equals(path: Sequence[str], value: str) -> Condition:
    """Return the condition for one value; a small text that stands outermost is a label."""
    nested: object = value
    for key in reversed(path):
        nested = {key: nested}
    label = job_labels.METADATA + path[0]
    is_label = len(label) <= job_labels.LONGEST_NAME and len(value) <= job_labels.LONGEST_VALUE
    if len(path) > 1 or not is_label:
        return _has(JobDefinition.job_metadata.contains(nested))
    condition = _labelled(JobLabel.name == label, JobLabel.value == value)
    return Condition(condition, "metadata", ((label, value),))


def _has(condition: ColumnElement[bool]) -> Condition:
    own = select(JobDefinition.job_id).where(JobDefinition.job_id == Job.id, condition)
    return Condition(own.correlate(Job).exists())


def _object(value: str) -> ColumnElement[bool]:
    found = _json_object(value)
    if found is None:
        message = f"expects a JSON object, got {value[:100]!r}"
        raise ValueError(message)
    return JobDefinition.job_metadata.contains(found)


def _json_object(value: str) -> dict[str, object] | None:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _keys(value: str) -> list[str]:
    return [key.strip() for key in value.split(",") if key.strip()]


def _any_key(value: str) -> ColumnElement[bool]:
    held = [JobDefinition.job_metadata.has_key(key) for key in _keys(value)]
    return or_(*held) if held else false()


def _has_key(value: str) -> ColumnElement[bool]:
    found: ColumnElement[bool] = JobDefinition.job_metadata.has_key(value)
    return found


_WHOLES: Mapping[str, Callable[[str], ColumnElement[bool]]] = {
    "contains": _object,
    "has_key": _has_key,
    "has_keys": lambda value: JobDefinition.job_metadata.has_all(
        array(_keys(value), type_=ARRAY(Text))
    ),
    "has_any_keys": _any_key,
}
