"""Retention: policies, what they will remove, runs, pins of jobs."""

from __future__ import annotations

from pydantic import Field

from labq.domain.deadline import Deadline
from labq.domain.retention import MOST_DAYS, Kind
from labq.domain.states import Outcome
from labq.services.paging import Page
from labq.services.retention import pins, policies, preview, runs
from labq.services.retention.marks import PinView
from labq.services.retention.policies import PolicyChange, PolicyView
from labq.services.retention.preview import Preview
from labq.services.retention.runs import RunView
from labq.services.transitions import By
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Name, PageQuery, Text

PREVIEW_SECONDS = 2.0
"""How long a preview counts days that are not counted yet; the core worker counts the rest."""
_REASON = Field(default="", max_length=1000, description="why, for the audit trail")


class Selection(Input):
    """What a policy is; what is left out stays, an empty selector fits all jobs."""

    position: int | None = Field(
        default=None, ge=0, le=1_000_000, description="policies are tried in this order"
    )
    group: Text | None = Field(default=None, description="jobs for members of this group")
    device_type: Text | None = None
    outcome: Outcome | None = None
    any_outcome: bool = Field(default=False, description="jobs of every outcome again")
    days: dict[Kind, int] = Field(
        default={},
        description=f"for how many days after a job's end each kind is kept, 1 to {MOST_DAYS}; "
        "0 keeps it for ever",
    )
    is_archived: bool | None = Field(
        default=None, description="whether it is archived first; it is by default"
    )
    reason: Text = _REASON


class NewPolicy(Selection):
    """A new policy."""

    name: Name


class PinBody(Input):
    """Why a job is kept."""

    reason: Text = _REASON


def index(call: Call) -> tuple[PolicyView, ...]:
    """List policies."""
    return policies.find_all(call.session)


def add(call: Call, body: NewPolicy) -> PolicyView:
    """Add a policy."""
    return policies.add(call.session, body.name, _change(body), _by(call, body.reason))


def change(call: Call, policy: str, body: Selection) -> PolicyView:
    """Change a policy."""
    return policies.change(call.session, policy, _change(body), _by(call, body.reason))


def remove(call: Call, policy: str) -> None:
    """Remove a policy."""
    policies.remove(call.session, policy, _by(call))


def show_preview(call: Call) -> Preview:
    """Tell what will be removed."""
    preview.refresh(call.session, call.now, Deadline.after(PREVIEW_SECONDS))
    return preview.find(call.session, call.now)


def start(call: Call) -> RunView:
    """Ask for a run."""
    return runs.ask(call.session, call.viewer.name, call.now)


def run_index(call: Call, query: PageQuery) -> Page[RunView]:
    """List runs."""
    return runs.find_page(call.session, after=query.after, limit=query.limit)


def show_run(call: Call, run: int) -> RunView:
    """Show a run."""
    return runs.find(call.session, run)


def pin(call: Call, job: int, body: PinBody) -> PinView:
    """Pin a job."""
    return pins.pin(call.session, call.viewer, job, _by(call, body.reason))


def unpin(call: Call, job: int) -> None:
    """Unpin a job."""
    pins.unpin(call.session, call.viewer, job, _by(call))


def _by(call: Call, reason: str = "") -> By:
    return By(call.viewer.name, call.now, reason)


def _change(body: Selection) -> PolicyChange:
    return PolicyChange(
        position=body.position,
        group=body.group,
        device_type=body.device_type,
        outcome="" if body.any_outcome else body.outcome,
        days=body.days,
        is_archived=body.is_archived,
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/retention/policies",
        summary="List the policies of retention in the order in which they are tried",
        run=index,
        level=Level.ADMIN,
        answer=tuple[PolicyView, ...],
    ),
    Endpoint(
        method="POST",
        path="/retention/policies",
        summary="Add a policy",
        run=add,
        level=Level.ADMIN,
        body=NewPolicy,
        answer=PolicyView,
        status=201,
    ),
    Endpoint(
        method="PATCH",
        path="/retention/policies/<policy>",
        summary="Change a policy",
        run=change,
        level=Level.ADMIN,
        body=Selection,
        answer=PolicyView,
    ),
    Endpoint(
        method="DELETE",
        path="/retention/policies/<policy>",
        summary="Remove a policy; what it has removed stays in the archive",
        run=remove,
        level=Level.ADMIN,
        status=204,
    ),
    Endpoint(
        method="GET",
        path="/retention/preview",
        summary="Tell how many jobs and bytes each policy removes, and when",
        run=show_preview,
        level=Level.ADMIN,
        answer=Preview,
    ),
    Endpoint(
        method="GET",
        path="/retention/runs",
        summary="List runs of retention, the newest first",
        run=run_index,
        level=Level.ADMIN,
        query=PageQuery,
        answer=Page[RunView],
    ),
    Endpoint(
        method="POST",
        path="/retention/runs",
        summary="Ask for a run; 409 says who works at the one that is not over",
        run=start,
        level=Level.ADMIN,
        answer=RunView,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/retention/runs/<id:run>",
        summary="Show a run of retention",
        run=show_run,
        level=Level.ADMIN,
        answer=RunView,
    ),
    Endpoint(
        method="PUT",
        path="/jobs/<id:job>/pin",
        summary="Keep a job for ever: retention leaves it alone",
        run=pin,
        level=Level.USER,
        body=PinBody,
        answer=PinView,
    ),
    Endpoint(
        method="DELETE",
        path="/jobs/<id:job>/pin",
        summary="Let retention have a job again",
        run=unpin,
        level=Level.USER,
        status=204,
    ),
)
