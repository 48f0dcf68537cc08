"""jobs/: the list, one job, its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from labq.domain.errors import NotFoundError
from labq.models.audience import is_public
from labq.services.tables import jobs
from labq.web.endpoint import Call
from labq.web.lava import words
from labq.web.lava.rest import listing
from labq.web.lava.rest.route import Json, Route


def index(call: Call) -> Json:
    """List jobs."""
    wanted = listing.asked()
    found = jobs.find(call.session, call.viewer, wanted)
    return listing.page(found, wanted, partial(_shown, is_admin=call.viewer.is_admin))


def show(call: Call, job: int) -> Json:
    """Show one job."""
    return _shown(find(call, job), is_admin=call.viewer.is_admin)


def metadata(call: Call, job: int) -> Json:
    """Show the metadata of a job, as pairs in the order of their keys."""
    pairs: Mapping[str, object] = find(call, job).job_metadata
    return {"metadata": [{name: pairs[name]} for name in sorted(pairs)]}


def find(call: Call, job: int) -> Any:
    """Return the row of a job that the caller sees; raises NotFoundError."""
    row = jobs.find_one(call.session, call.viewer, job)
    if row is None:
        raise NotFoundError(f"there is no job {job}")
    return row


def _shown(row: Any, *, is_admin: bool) -> Json:
    own, whole = row.definition, row.whole or ""
    shown = {
        "id": row.id,
        "submitter": row.submitter,
        "viewing_groups": [] if is_public(row.audience_id) else list(row.viewing_groups or ()),
        "description": row.name,
        "health_check": row.is_health_check,
        "requested_device_type": row.device_type,
        "tags": list(row.tags),
        "actual_device": row.device,
        "submit_time": words.json_time(row.submitted_at),
        "start_time": words.json_time(row.started_at),
        "end_time": words.json_time(row.ended_at),
        "state": words.word(row.state),
        "health": words.job_health(row.outcome),
        "priority": row.priority,
        "definition": own,
        "metadata": row.job_metadata,
        "original_definition": whole or own,
        "multinode_definition": whole,
        "failure_tags": list(row.failure_tags),
        "failure_comment": row.failure_comment,
    }
    # The token of a worker for this job: hosts of labq have none that anybody could use.
    return {**shown, "token": ""} if is_admin else shown


ROUTES = (
    Route(method="GET", path="jobs/", run=index),
    Route(method="GET", path="jobs/<id:job>/", run=show),
    Route(method="GET", path="jobs/<id:job>/metadata/", run=metadata),
)
