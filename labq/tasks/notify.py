"""The task that carries out deliveries: one request each, noted in its row whatever comes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import httpx
from sqlalchemy.orm import Session, sessionmaker

from labq.config import load
from labq.queue import app
from labq.services import deliveries
from labq.services.callback import body_of, url_of
from labq.services.database import Role, make_engine, session_factory
from labq.services.deliveries import Callback

TIMEOUT_SECONDS = 5.0


@app.task(name="labq.notify", acks_late=False, ignore_result=True)  # type: ignore[untyped-decorator]  # celery has no annotations
def notify(delivery: int) -> None:
    """Idempotent but for the request itself, which may be made again after a crash."""
    with _sessions().begin() as session:
        found = deliveries.load(session, delivery)
        if found is None:
            return
        callback = deliveries.callback_of(found[0])
        url = url_of(callback.url, found[1])
        body = body_of(session, found[1])
    error = request(callback, url, body)
    with _sessions().begin() as session:
        deliveries.note(session, delivery, error, datetime.now(UTC))


def request(callback: Callback, url: str, body: dict[str, object]) -> str:
    """Make the request and return what was wrong with the answer, empty when nothing was."""
    headers = {callback.header: callback.token} if callback.token else {}
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, headers=headers) as client:
            if callback.method != "POST":
                answer = client.get(url)
            elif callback.content_type == "json":
                answer = client.post(url, json=body)
            else:
                answer = client.post(url, data=body)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "" if answer.is_success else f"{url} answered {answer.status_code}"


@cache
def _sessions() -> sessionmaker[Session]:
    return session_factory(make_engine(load().conductor_database, Role.CORE))
