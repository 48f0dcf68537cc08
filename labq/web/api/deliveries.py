"""Notifications of jobs, and a mail that proves that this server can send one."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.domain.mail_server import is_address
from labq.services import deliveries, job_view
from labq.services.deliveries import DeliveryView
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Text

_SUBJECT = "labq: a test of its mail"
_TEXT = """This mail was asked for by {user} at {url}, to see that labq can send mail.

It arrived.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """Notifications, the oldest first."""

    items: tuple[DeliveryView, ...]


class MailBody(Input):
    """Where the test mail goes."""

    address: Text = Field(max_length=254)


def index(call: Call, job: int) -> Deliveries:
    """List the notifications of a job."""
    job_view.require(call.session, call.viewer, job)
    return Deliveries(items=deliveries.find_of_job(call.session, job))


def show(call: Call, delivery: int) -> DeliveryView:
    """Show one notification."""
    found = deliveries.find(call.session, delivery)
    if found is None:
        raise NotFoundError(f"there is no notification {delivery}")
    return found


def send_test(call: Call, body: MailBody) -> DeliveryView:
    """Send a mail by way of everything that mails go; the answer says where to look what came of it."""
    if call.settings.mail_server is None:
        raise ConflictError("this server sends no mail: LABQ_SMTP_URL is not set")
    if not is_address(body.address):
        raise InvalidInputError([Problem("address", f"{body.address!r} is no e-mail address")])
    text = _TEXT.format(user=call.viewer.name, url=call.settings.site_url)
    row = deliveries.message(body.address, _SUBJECT, text, call.now)
    deliveries.add(call.session, [row])
    call.session.flush()
    return show(call, row.id)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/deliveries",
        summary="List a job's notifications: callbacks and mails, with every attempt",
        run=index,
        answer=Deliveries,
    ),
    Endpoint(
        method="GET",
        path="/deliveries/<id:delivery>",
        summary="Show one notification with every attempt",
        run=show,
        level=Level.ADMIN,
        answer=DeliveryView,
    ),
    Endpoint(
        method="POST",
        path="/mail/test",
        summary="Send a test mail; `/deliveries/<id>` of its answer tells what came of it",
        run=send_test,
        level=Level.ADMIN,
        body=MailBody,
        answer=DeliveryView,
        status=202,
    ),
)
