"""Callbacks: written with the transition, made by the task, tried again until they arrive."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.states import DeliveryState
from labq.models.delivery import Delivery
from labq.services import callback, deliveries
from labq.tasks.notify import request
from tests.integration.conductor_lab import DEFINITION, NOW, Lab, eventually, whole_run


@dataclass
class Receiver:
    """An HTTP server that keeps what it got and answers `status`."""

    url: str = ""
    status: int = 200
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a running receiver."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept.got.append((self.command, self.path, dict(self.headers), body))
            self.send_response(kept.status)
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the name is the library's

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


def with_callback(criteria: str, block: str) -> str:
    return f"{DEFINITION}notify:\n  criteria: {{status: {criteria}}}\n  callback: {block}\n"


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ("finished", ["complete"]),
        ("complete", ["complete"]),
        ("running", ["running"]),
        ("all", ["running", "complete"]),
        ("incomplete", []),
        ("canceled", []),
    ],
)
def test_criteria_say_when_a_callback_is_due(lab: Lab, criteria: str, expected: list[str]) -> None:
    with lab.conducting():
        job = lab.submit(with_callback(criteria, "{url: 'http://127.0.0.1:1/'}"))
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
    assert [row.target["status"] for row in _deliveries(lab)] == expected


def test_a_due_callback_is_handed_to_the_core_queue_once(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit(with_callback("finished", "{url: 'http://127.0.0.1:1/'}"))
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.send(*whole_run(run))
        eventually(lambda: lab.client.llen("core"), "the task")
    assert lab.client.llen("core") == 1
    message = json.loads(lab.client.lindex("core", 0))
    assert message["headers"]["task"] == "labq.notify"


def test_a_canceled_waiting_job_calls_back(lab: Lab) -> None:
    job = lab.submit(with_callback("canceled", "{url: 'http://127.0.0.1:1/{ID}/{STATUS_STRING}'}"))
    lab.cancel(job)
    (row,) = _deliveries(lab)
    url = callback.url_of(row.target["url"], lab.job(job))
    assert url == f"http://127.0.0.1:1/{job}/canceled"


def test_a_post_carries_the_token_and_lavas_fields(lab: Lab, receiver: Receiver) -> None:
    block = f"{{url: '{receiver.url}/x', method: POST, token: s3cret, content-type: json}}"
    job = lab.submit(with_callback("canceled", block))
    lab.cancel(job)
    (row,) = _deliveries(lab)
    with Session(lab.engine) as session:
        body = callback.body_of(session, lab.job(job))
    assert request(deliveries.callback_of(row), f"{receiver.url}/x", body) == ""
    ((method, path, headers, data),) = receiver.got
    assert (method, path, headers["Authorization"]) == ("POST", "/x", "s3cret")
    sent = json.loads(data)
    assert (sent["id"], sent["status"], sent["status_string"]) == (job, 4, "canceled")
    assert (sent["health_string"], sent["submitter_username"]) == ("Canceled", "ann")


def test_a_get_and_a_form_are_made_as_asked(lab: Lab, receiver: Receiver) -> None:
    url = f"{receiver.url}/?a=b"
    assert request(deliveries.Callback(url=url, header="X", token="t"), url, {"id": 1}) == ""
    assert request(deliveries.Callback(url=url, method="POST"), url, {"id": 1}) == ""
    (_, path, headers, empty), (_, _, _, form) = receiver.got
    assert (path, headers["X"], empty, form) == ("/?a=b", "t", b"", b"id=1")


def test_an_answer_that_is_no_success_is_an_error(receiver: Receiver) -> None:
    receiver.status = 503
    assert "answered 503" in request(deliveries.Callback(url=receiver.url), receiver.url, {})
    nobody = deliveries.Callback(url="http://127.0.0.1:1/")
    assert "ConnectError" in request(nobody, nobody.url, {})
    assert request(nobody, "gopher://x", {}) != ""
    assert request(nobody, "http://[", {}) != ""


def test_a_failed_delivery_is_due_later_each_time_and_then_never(lab: Lab) -> None:
    lab.cancel(lab.submit(with_callback("canceled", "{url: 'http://127.0.0.1:1/'}")))
    pauses = []
    for _ in range(deliveries.MOST_ATTEMPTS):
        (row,) = _deliveries(lab)
        with Session(lab.engine) as session, session.begin():
            deliveries.note(session, row.id, "no answer", NOW)
        pauses.append((_deliveries(lab)[0].due_at - NOW).total_seconds())
    assert pauses[:3] == [5, 10, 20]
    (row,) = _deliveries(lab)
    assert (row.state, row.last_error) == (DeliveryState.FAILED, "no answer")
    with Session(lab.engine) as session:
        assert deliveries.load(session, row.id) is None


def test_a_delivery_is_handed_out_again_when_its_task_got_lost(lab: Lab) -> None:
    lab.cancel(lab.submit(with_callback("canceled", "{url: 'http://127.0.0.1:1/'}")))
    now = datetime.now(UTC)
    with Session(lab.engine) as session, session.begin():
        (first,) = deliveries.hand_out(session, now)
        assert deliveries.hand_out(session, now) == []
        assert deliveries.hand_out(session, now + timedelta(minutes=3)) == [first]
        deliveries.note(session, first, "", now)
        deliveries.note(session, first, "a late copy", now)
    (row,) = _deliveries(lab)
    assert (row.state, row.attempts, row.last_error) == (DeliveryState.SENT, 1, "")


def _deliveries(lab: Lab) -> list[Delivery]:
    with Session(lab.engine) as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))
