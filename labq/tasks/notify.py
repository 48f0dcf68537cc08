"""The task that carries out deliveries: one request or mail each, noted whatever comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from sqlalchemy.orm import Session, sessionmaker

from labq.blobs import Logs
from labq.config import Settings, load
from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import ForbiddenError
from labq.models.delivery import Delivery
from labq.models.job import Job
from labq.queue import app
from labq.services import callback, deliveries, http_call, mail, notice, secret_lookup
from labq.services.database import Role, make_engine, session_factory
from labq.services.deliveries import Attempt
from labq.services.http_call import Request
from labq.services.job_log import find_any_log_state
from labq.services.notice import NoAddressError

LOG_SECONDS = 5.0
"""How long the last bytes of a log are awaited."""
POLL_SECONDS = 0.1
NO_SERVER = "this server sends no mail: LABQ_SMTP_URL is not set"
Act = Callable[[], Attempt]


@app.task(name="labq.notify", acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def notify(delivery: int) -> None:
    """Idempotent but for the request or mail itself, which may be made again after a crash."""
    carry_out(delivery, load(), _sessions())


def carry_out(delivery: int, settings: Settings, sessions: sessionmaker[Session]) -> None:
    """Make a delivery that is still to be made; nothing is locked meanwhile."""
    with sessions.begin() as session:
        found = deliveries.load(session, delivery)
    if found is None:
        return
    row, job = found
    if row.kind == deliveries.CALLBACK and job is not None:
        _await_log(row, job, sessions)
    with sessions.begin() as session:
        act = _prepare(session, row, job, settings)
    began = monotonic()
    attempt = act()
    done = Attempt(error=attempt.error, is_final=attempt.is_final, seconds=monotonic() - began)
    with sessions.begin() as session:
        deliveries.note(session, delivery, done, datetime.now(UTC))


def _prepare(session: Session, row: Delivery, job: Job | None, settings: Settings) -> Act:
    """Return what is to be done, with all that it needs of the database."""
    if row.kind == deliveries.CALLBACK and job is not None:
        request = _request(session, row, job, settings)
        return lambda: _call(request, settings)
    try:
        message = notice.write(session, row, job, settings.site_url)
    except NoAddressError as error:
        why = str(error)
        return lambda: Attempt(error=why, is_final=True)
    return lambda: _mail(message, settings)


def _request(session: Session, row: Delivery, job: Job, settings: Settings) -> Request:
    asked = deliveries.callback_of(row)
    fields = callback.fields_of(session, job, deliveries.moment_of(row, job))
    url = callback.url_of(asked.url, callback.url_fields(fields, job))
    headers: dict[str, str] = {}
    if asked.token:
        keys = settings.sealing_keys
        token = secret_lookup.find(session, job.submitter_id, asked.token, keys=keys)
        headers[asked.header] = token
    if asked.method != "POST":
        return Request(method="GET", url=url, headers=headers)
    body = fields | callback.data_of(session, job, asked.data, Logs(settings.blobs))
    if asked.content_type == "json":
        headers |= {"Content-Type": "application/json"}
        return Request(method="POST", url=url, headers=headers, body=callback.as_json(body))
    headers |= {"Content-Type": "application/x-www-form-urlencoded"}
    return Request(method="POST", url=url, headers=headers, body=callback.as_form(body))


def _call(request: Request, settings: Settings) -> Attempt:
    try:
        return Attempt(error=http_call.call(request, settings.callback_rules))
    except ForbiddenError as error:
        return Attempt(error=str(error), is_final=True)


def _mail(message: mail.Mail, settings: Settings) -> Attempt:
    server = settings.mail_server
    if server is None:
        return Attempt(error=NO_SERVER, is_final=True)
    refused = mail.send(server, message)
    return Attempt() if refused is None else Attempt(error=refused.error, is_final=refused.is_final)


def _await_log(row: Delivery, job: Job, sessions: sessionmaker[Session]) -> None:
    """Wait for the last bytes of a log that is to be sent: they may come after the end."""
    if not (deliveries.callback_of(row).data.has_log and row.target.get("outcome")):
        return
    deadline = Deadline.after(LOG_SECONDS)
    while not deadline.is_over():
        with sessions.begin() as session:
            if find_any_log_state(session, job.id, now=datetime.now(UTC)).is_complete:
                return
        time.sleep(POLL_SECONDS)


@cache
def _sessions() -> sessionmaker[Session]:
    return session_factory(make_engine(load().conductor_database, Role.CORE))
