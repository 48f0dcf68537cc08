"""`/retention`: policies, what they will remove and when, runs; for admins."""

from __future__ import annotations

from typing import Literal

from flask import Response
from pydantic import Field

from labq.domain.deadline import Deadline
from labq.domain.retention import MOST_DAYS, Kind
from labq.domain.states import Outcome
from labq.services.retention import policies, preview, runs
from labq.services.retention.policies import PolicyChange
from labq.services.transitions import By
from labq.web.endpoint import Call, Level, Page
from labq.web.parsing import Input, Name, Text
from labq.web.rendering import render

PREVIEW_SECONDS = 0.5
_RUNS = 10


class PolicyForm(Input):
    """A new policy: 0 or nothing in a field of days keeps that kind for ever."""

    name: Name
    position: int | None = Field(default=None, ge=0, le=1_000_000)
    group: Text = ""
    device_type: Text = ""
    outcome: Outcome | Literal["any"] = "any"
    console: int = Field(default=0, ge=0, le=MOST_DAYS)
    artifacts: int = Field(default=0, ge=0, le=MOST_DAYS)
    logs: int = Field(default=0, ge=0, le=MOST_DAYS)
    plans: int = Field(default=0, ge=0, le=MOST_DAYS)
    results: int = Field(default=0, ge=0, le=MOST_DAYS)
    jobs: int = Field(default=0, ge=0, le=MOST_DAYS)
    archive: bool = False

    @property
    def days(self) -> dict[Kind, int]:
        """Return the ages by kind."""
        return {kind: getattr(self, kind) for kind in Kind}


class RemoveForm(Input):
    """Which policy."""

    name: Text


def show(call: Call) -> str:
    """Show policies, the preview and the last runs."""
    preview.refresh(call.session, call.now, Deadline.after(PREVIEW_SECONDS))
    return render(
        call,
        "retention.html",
        policies=policies.find_all(call.session),
        preview=preview.find(call.session, call.now),
        runs=runs.find_page(call.session, limit=_RUNS).items,
        kinds=tuple(Kind),
        outcomes=tuple(Outcome),
    )


def add(call: Call, form: PolicyForm) -> Response:
    """Add a policy."""
    change = PolicyChange(
        position=form.position,
        group=form.group,
        device_type=form.device_type,
        outcome=None if form.outcome == "any" else form.outcome,
        days=form.days,
        is_archived=form.archive,
    )
    policies.add(call.session, form.name, change, By(call.viewer.name, call.now))
    return _back()


def remove(call: Call, form: RemoveForm) -> Response:
    """Remove a policy."""
    policies.remove(call.session, form.name, By(call.viewer.name, call.now))
    return _back()


def start(call: Call) -> Response:
    """Ask for a run."""
    runs.ask(call.session, call.viewer.name, call.now)
    return _back()


def _back() -> Response:
    return Response(status=303, headers={"Location": "/retention"})


PAGES = (
    Page(path="/retention", run=show, level=Level.ADMIN),
    Page(path="/retention/policies", run=add, method="POST", level=Level.ADMIN, form=PolicyForm),
    Page(
        path="/retention/policies/remove",
        run=remove,
        method="POST",
        level=Level.ADMIN,
        form=RemoveForm,
    ),
    Page(path="/retention/runs", run=start, method="POST", level=Level.ADMIN),
)
