"""Tags (ETag) of answers that cannot change any more: a caller that has one is told that it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from flask import Response, g, request

from labq import __version__
from labq.services import unchanging
from labq.web.cached import UNCHANGING
from labq.web.endpoint import Call

LOGS = frozenset({"api.job_log.show", "api.job_log.download"})
KEPT = "private, no-cache"
"""The caller may keep it for itself, and asks each time: who sees a job may change."""
_TAGGED = frozenset({200, 304})


def still_holds(call: Call, name: str, path: Mapping[str, object]) -> bool:
    """Tell whether the caller's copy of what `name` answers for `path` is as good as a new one.

    Raises NotFoundError for a job that the viewer does not see.
    """
    job = path.get("job")
    if name not in UNCHANGING or not isinstance(job, int):
        return False
    seal = unchanging.find_seal(call.session, call.viewer, job, with_log=name in LOGS)
    if seal is None:
        return False
    g.tag = _tag(seal)
    return request.if_none_match.contains_weak(g.tag)


def put(response: Response) -> Response:
    """Add the tag and the age of what was cached to the headers."""
    if "tag" in g and response.status_code in _TAGGED:
        response.set_etag(g.tag, weak=True)
        response.headers["Cache-Control"] = KEPT
        response.headers["Vary"] = "Authorization, Cookie, Accept"
    if "data_age" in g and response.status_code == 200:
        response.headers["Age"] = str(int(g.data_age))
    return response


def _tag(seal: str) -> str:
    """Return the tag of one form of one thing, as this labq writes it."""
    asked = (seal, request.full_path, request.headers.get("Accept", ""), __version__)
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:32]
