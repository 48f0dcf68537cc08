"""The lab as files describe it."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import Field

from labq.domain.lab import Lab, LabChange
from labq.services import lab as labs
from labq.services.transitions import By
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input

LARGEST_LAB = 14 * 1024 * 1024
Changes: TypeAlias = tuple[LabChange, ...]


class LabBody(Input):
    """What there is to be; `dry_run`: only tell what would change."""

    lab: Lab
    dry_run: bool = False
    reason: str = Field(default="", max_length=1000)


class LabAnswer(Input):
    """What changed, or would."""

    changes: Changes


def apply(call: Call, body: LabBody) -> LabAnswer:
    """Make the lab so, all of it or nothing."""
    by = By(call.viewer.name, call.now, body.reason)
    with call.session.begin_nested() as attempt:
        changes = labs.apply(call.session, body.lab, by, folders=call.settings.device_type_folders)
        if body.dry_run:
            attempt.rollback()
    return LabAnswer(changes=tuple(changes))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/lab",
        summary="Add and change hosts, templates, device types and devices, all or nothing; what is "
        "not named stays",
        run=apply,
        level=Level.ADMIN,
        body=LabBody,
        answer=LabAnswer,
        largest_body=LARGEST_LAB,
    ),
)
