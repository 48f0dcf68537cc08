"""How a host may reach the server, as lists and pages show it: never a secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement

from labq.models.enrolment import Enrolment

PREFIX = "enrolment_"
NAMES = (
    "created_at",
    "code_expires_at",
    "joined_at",
    "joined_from",
    "ca_expires_at",
    "revoked_at",
)


class Stage(StrEnum):
    """How far a host has come: INVITED has a code that was not used yet."""

    INVITED = "invited"
    JOINED = "joined"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolmentView:
    """`ca_expires_at` is until when the host trusts the server; `joined_from` is a machine's name."""

    stage: Stage
    created_at: datetime
    code_expires_at: datetime | None
    joined_at: datetime | None
    joined_from: str
    ca_expires_at: datetime | None
    revoked_at: datetime | None


def columns() -> list[ColumnElement[Any]]:
    """Return what a query of hosts, joined with Enrolment, has to select."""
    return [getattr(Enrolment, name).label(PREFIX + name) for name in NAMES]


def take(values: dict[str, Any]) -> EnrolmentView | None:
    """Take the columns out of a row and return what they say; None for a host without a code."""
    found = {name: values.pop(PREFIX + name) for name in NAMES}
    if found["created_at"] is None:
        return None
    return EnrolmentView(stage=_stage(found), **found)


def _stage(found: dict[str, Any]) -> Stage:
    if found["revoked_at"]:
        return Stage.REVOKED
    return Stage.JOINED if found["joined_at"] else Stage.INVITED
