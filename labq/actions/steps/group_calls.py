"""Calls of a block to its group, made when the inner action that they name begins.

`protocols: {lava-multinode: [{action, request, messageID, message, role, timeout}]}`. A value `$name`
of a message stands for what was received under that name before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from labq.actions.steps.group import PROTOCOL, Answer, Group
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.domain.verdicts import Level
from labq.hw.session import Session

RECEIVED = "multinode"
"""What was received is remembered under this key, by message and by name."""
_ALIASES = {"multinode-test": "lava-test-shell", "lava-multinode": "lava-test-shell"}
_UNITS = {"days": 86_400.0, "hours": 3600.0, "minutes": 60.0, "seconds": 1.0}


def _seconds(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    return sum(float(value.get(unit, 0)) * factor for unit, factor in _UNITS.items()) or None


def _texts(value: object) -> object:
    if not isinstance(value, Mapping):
        return value if value is not None else {}
    return {str(key): str(entry) for key, entry in value.items()}


class Call(BaseModel):
    """One call."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    action: str
    request: Literal["lava-send", "lava-wait", "lava-wait-all", "lava-sync", "lava-start"]
    name: str = Field(default="", alias="messageID")
    message: Annotated[dict[str, str], BeforeValidator(_texts)] = Field(default_factory=dict)
    role: str = ""
    timeout: Annotated[float | None, BeforeValidator(_seconds)] = None


def calls_of(session: Session) -> list[Call]:
    """Return the calls of the step's block, in order; raises JobError for one that is none."""
    protocols = session.step.parameters.get("protocols")
    listed = protocols.get(PROTOCOL) if isinstance(protocols, Mapping) else None
    if session.plan.seat is None or not isinstance(listed, list | tuple):
        return []
    try:
        return [Call.model_validate(item) for item in listed]
    except ValidationError as error:
        said = "; ".join(str(item["msg"]) for item in error.errors(include_url=False))
        raise JobError(f"Invalid job data: protocols.{PROTOCOL}: {said}") from error


def is_due(call: Call, action: str) -> bool:
    """Tell whether a call is made when this inner action begins."""
    return action in (call.action, _ALIASES.get(call.action))


def make(session: Session, call: Call, left: float) -> None:
    """Make a call, which may take as long as it says, at most `left` seconds."""
    group = Group.of(session)
    session.log(Level.DEBUG, f"{PROTOCOL} {call.request} {call.name or call.role}")
    seconds = left if call.timeout is None else min(call.timeout, left)
    deadline = Deadline.after(seconds, session.group.now())
    match call.request:
        case "lava-send":
            group.send(call.name, _filled(session, call.message))
        case "lava-start":
            group.start(call.role)
        case "lava-wait":
            _remember(session, call, group.wait(call.name, deadline))
        case "lava-wait-all":
            _remember(session, call, group.wait_all(call.name, call.role, deadline))
        case "lava-sync":
            _remember(session, call, group.sync(call.name, deadline))


def received(session: Session, name: str, key: str) -> str | None:
    """Return a value that a call of this run has received with a message."""
    values = _received(session).get(name, {})
    return values.get(key)


def _remember(session: Session, call: Call, answer: Answer) -> None:
    """Keep what came: all of it, and what the call names by the name that it gives."""
    values: dict[str, str] = {}
    for told in answer.values():
        values |= told
    named = {
        key: values[value.removeprefix("$")]
        for key, value in call.message.items()
        if value.removeprefix("$") in values
    }
    known = _received(session)
    session.remember(
        RECEIVED, {**known, call.name: {**known.get(call.name, {}), **values, **named}}
    )


def _received(session: Session) -> dict[str, dict[str, str]]:
    found = session.recall(RECEIVED)
    return found if isinstance(found, dict) else {}


def _filled(session: Session, message: Mapping[str, str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for values in _received(session).values():
        known |= values
    missing = [value for value in message.values() if _is_place(value) and value[1:] not in known]
    if missing:
        raise JobError(
            f"{PROTOCOL}: nothing was received that {', '.join(missing)} could stand for"
        )
    return {key: known[value[1:]] if _is_place(value) else value for key, value in message.items()}


def _is_place(value: str) -> bool:
    return value.startswith("$") and len(value) > 1
