"""Callbacks: written with the transition, made by the task, tried again until they arrive."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import pytest
import yaml
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType, Failure
from labq.domain.outbound import read_rules
from labq.domain.states import DeliveryState, Outcome
from labq.models.delivery import Delivery
from labq.models.job import Job, JobDefinition
from labq.models.user import User
from labq.services import deliveries, http_call, tokens, transitions
from labq.services.database import session_factory
from labq.services.deliveries import Attempt
from labq.services.http_call import Request
from labq.services.transitions import By
from labq.tasks.notify import carry_out
from tests.integration.conductor_lab import DEFINITION, NOW, Lab, eventually, whole_run

LINE = b'- {"dt": "2026-11-20T12:00:00+00:00", "lvl": "target", "msg": "hello"}\n'
FIELDS = (
    *("id", "status", "status_string", "state", "state_string", "health", "health_string"),
    *("submit_time", "start_time", "end_time", "submitter_username", "submitter_email"),
    *("failure_comment", "priority", "description", "actual_device_id", "definition"),
    *("metadata", "health_check"),
)


@dataclass
class Receiver:
    """An HTTP server that keeps what it got and answers `status`."""

    url: str = ""
    status: int = 200
    location: str = ""
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
            if kept.location:
                self.send_header("Location", kept.location)
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


def with_callback(criteria: str, block: str, key: str = "callback") -> str:
    return f"{DEFINITION}notify:\n  criteria: {{status: {criteria}}}\n  {key}: {block}\n"


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
    assert (row.kind, row.job_id, row.target["outcome"]) == ("callback", job, "canceled")


def test_a_post_carries_the_token_and_lavas_fields(lab: Lab, receiver: Receiver) -> None:
    block = f"{{url: '{receiver.url}/{{ ID }}/{{STATUS_STRING}}?t={{SUBMITTER}}', method: POST"
    block += ", token: s3cret, content-type: json, dataset: all}"
    job = lab.submit(with_callback("canceled", block))
    lab.cancel(job)
    (row,) = _carried_out(lab)
    assert (row.state, row.last_error) == (DeliveryState.SENT, "")
    ((method, path, headers, data),) = receiver.got
    assert (method, path) == ("POST", f"/{job}/canceled?t=ann")
    assert headers["Authorization"] == "s3cret"
    sent = json.loads(data)
    assert (sent["id"], sent["status"], sent["status_string"]) == (job, 4, "canceled")
    assert (sent["state"], sent["state_string"], sent["health"]) == (5, "Finished", 3)
    assert (sent["health_string"], sent["submitter_username"]) == ("Canceled", "ann")
    assert (sent["actual_device_id"], sent["log"], sent["metadata"]) == (None, "", [])
    assert set(sent) == {*FIELDS, "log", "results"}
    (case,) = yaml.safe_load(sent["results"]["lava"])
    assert (case["name"], case["metadata"]["error_type"]) == ("job", "Canceled")
    assert {type(value) for name, value in case.items() if name != "metadata"} == {str}


def test_a_callback_tells_what_the_job_was_when_it_became_due(lab: Lab, receiver: Receiver) -> None:
    block = f"{{url: '{receiver.url}/', method: POST, content-type: json, dataset: logs}}"
    with lab.conducting():
        job = lab.submit(with_callback("all", block))
        run = eventually(lambda: lab.sent_run(job), "sending").id
        lab.log(run, 0, LINE)
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
        eventually(lambda: lab.log_of(run) is not None, "the log")
    rows = _carried_out(lab)
    assert [row.state for row in rows] == [DeliveryState.SENT] * 2
    first, last = (json.loads(data) for *_, data in receiver.got)
    assert [(one["status"], one["state"], one["health"]) for one in (first, last)] == [
        (1, 3, 0),
        (2, 5, 1),
    ]
    assert (first["end_time"], last["log"]) == ("None", LINE.decode())
    assert last["actual_device_id"] == "board-1"


def test_a_get_and_a_form_are_made_as_asked(lab: Lab, receiver: Receiver) -> None:
    blocks = f"[{{url: '{receiver.url}/?a=b', header: X, token: t}}"
    blocks += f", {{url: '{receiver.url}/', method: POST}}]"
    lab.cancel(lab.submit(with_callback("canceled", blocks, "callbacks")))
    _carried_out(lab)
    (get, path, headers, empty), (post, _, of_form, form) = receiver.got
    assert (get, path, headers["X"], empty) == ("GET", "/?a=b", "t", b"")
    assert (post, of_form["Content-Type"]) == ("POST", "application/x-www-form-urlencoded")
    sent = dict(parse_qsl(form.decode()))
    assert (sent["status_string"], sent["health_check"]) == ("canceled", "False")
    assert "actual_device_id" not in sent


def test_a_token_is_looked_up_before_it_is_sent(lab: Lab, receiver: Receiver) -> None:
    keys = lab.settings.sealing_keys
    with Session(lab.engine) as session, session.begin():
        ann = session.scalars(select(User.id).where(User.name == "ann")).one()
        made = tokens.create(session, ann, "ci", now=NOW, keys=keys)
    lab.cancel(lab.submit(with_callback("canceled", f"{{url: '{receiver.url}/', token: ci}}")))
    _carried_out(lab)
    ((_, _, headers, _),) = receiver.got
    assert headers["Authorization"] == made.secret


def test_an_answer_that_is_no_success_is_an_error_and_shown(lab: Lab, receiver: Receiver) -> None:
    receiver.status = 503
    job = lab.submit(with_callback("canceled", f"{{url: '{receiver.url}/x?secret=1'}}"))
    lab.cancel(job)
    (row,) = _carried_out(lab)
    assert (row.state, row.attempts) == (DeliveryState.PENDING, 1)
    with Session(lab.engine) as session:
        (view,) = deliveries.find_of_job(session, job)
    assert view.to == f"{receiver.url}/x"
    assert [one.error for one in view.tries] == ["127.0.0.1 answered 503"]


def test_a_redirect_is_not_followed(lab: Lab, receiver: Receiver) -> None:
    receiver.status, receiver.location = 302, f"{receiver.url}/else"
    lab.cancel(lab.submit(with_callback("canceled", f"{{url: '{receiver.url}/x'}}")))
    (row,) = _carried_out(lab)
    assert "redirects are not followed" in row.last_error
    assert [path for _, path, *_ in receiver.got] == ["/x"]


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::ffff:127.0.0.1]:{port}/"],
)
def test_the_own_network_is_called_where_an_admin_allows_it_alone(
    lab: Lab, receiver: Receiver, url: str
) -> None:
    port = receiver.url.rpartition(":")[2]
    lab.cancel(lab.submit(with_callback("canceled", f"{{url: '{url.format(port=port)}'}}")))
    (row,) = _carried_out(lab, callback_allow="")
    assert (row.state, row.attempts) == (DeliveryState.FAILED, 1)
    assert "own network" in row.last_error
    assert receiver.got == []


def test_a_receiver_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        asked = Request(method="GET", url=f"http://127.0.0.1:{port}/", headers={})
        assert "did not answer" in http_call.call(asked, read_rules("127.0.0.1"), 0.2)


def test_irc_is_refused_where_people_see_it(lab: Lab) -> None:
    block = "recipients: [{to: {method: irc, handle: ann, server: irc.example}}]"
    text = f"{DEFINITION}notify:\n  criteria: {{status: canceled}}\n  {block}\n"
    job = lab.submit(text)
    lab.cancel(job)
    with Session(lab.engine) as session:
        (view,) = deliveries.find_of_job(session, job)
    assert (view.kind, view.to, view.state) == ("irc", "ann@irc.example", DeliveryState.FAILED)
    assert view.last_error == deliveries.NO_IRC


@pytest.mark.parametrize(
    ("change", "before", "expected"),
    [
        ("regression", "complete", 1),
        ("regression", "incomplete", 0),
        ("regression", None, 0),
        ("progression", "complete", 0),
    ],
)
def test_a_regression_is_told_after_a_complete_job_of_the_same_name(
    lab: Lab, change: str, before: str | None, expected: int
) -> None:
    if before:
        earlier = lab.submit()
        with lab.engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE job SET state = 'finished', ended_at = now(), outcome = :outcome"
                    " WHERE id = :job"
                ),
                {"outcome": before, "job": earlier},
            )
    criteria = f"incomplete, type: {change}"
    job = lab.submit(with_callback(criteria, "{url: 'http://127.0.0.1:1/'}"))
    with Session(lab.engine) as session, session.begin():
        row = session.get_one(Job, job)
        by = By("labq", NOW)
        failure = Failure(type=ErrorType.JOB, message="broken")
        transitions.finish_job(session, row, Outcome.INCOMPLETE, failure, by=by)
        deliveries.add_due(session, row, session.get_one(JobDefinition, job).notify, NOW)
    assert len(_deliveries(lab)) == expected


def test_a_failed_delivery_is_due_later_each_time_and_then_never(lab: Lab) -> None:
    lab.cancel(lab.submit(with_callback("canceled", "{url: 'http://127.0.0.1:1/'}")))
    pauses = []
    for _ in range(deliveries.MOST_ATTEMPTS):
        (row,) = _deliveries(lab)
        with Session(lab.engine) as session, session.begin():
            deliveries.note(session, row.id, Attempt(error="no answer"), NOW)
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
        deliveries.note(session, first, Attempt(), now)
        deliveries.note(session, first, Attempt(error="a late copy"), now)
    (row,) = _deliveries(lab)
    assert (row.state, row.attempts, row.last_error) == (DeliveryState.SENT, 1, "")


def _deliveries(lab: Lab) -> list[Delivery]:
    with Session(lab.engine) as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def _carried_out(lab: Lab, **more: str) -> list[Delivery]:
    """Make all deliveries as the task does; this machine may be called unless told otherwise."""
    settings = lab.settings.model_copy(update={"callback_allow": "127.0.0.0/8", **more})
    for row in _deliveries(lab):
        carry_out(row.id, settings, session_factory(lab.engine))
    return _deliveries(lab)
