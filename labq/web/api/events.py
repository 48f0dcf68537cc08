"""What happens in the lab, live."""

from __future__ import annotations

from urllib.parse import urlencode

from flask import redirect, request
from werkzeug.wrappers import Response as AnyResponse

from labq.services import tickets
from labq.services.tickets import Ticket
from labq.web.endpoint import Call, Endpoint
from labq.web.headers import stream_url


def live(call: Call) -> AnyResponse:
    """Send the caller to the stream process, with a ticket."""
    ticket = Ticket(
        subject=tickets.EVENTS,
        user_id=call.viewer.user_id,
        origin=request.host_url.rstrip("/"),
    )
    values = urlencode({"ticket": tickets.issue(call.settings.secret_key, ticket)})
    return redirect(f"{stream_url(call.settings)}/events?{values}", 307)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/events",
        summary="Follow what happens: redirects to a stream of server-sent events: `job_state`, "
        "`device`, `host` and `test` say what is new, `job` that something of a job changed, `system` "
        "that an upgrade begins or ends (see /system), `gap` that some may be missing, `behind` "
        "comes before a slow reader is let go",
        run=live,
        status=307,
    ),
)
