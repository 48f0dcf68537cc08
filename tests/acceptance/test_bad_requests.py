"""Requests that the API refuses: each with problem details and the status that fits."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.acceptance.conftest import Lab
from tests.acceptance.test_bad_definitions import problem
from tests.lab.client import Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say


def test_a_bad_token_is_refused_even_for_public_things(lab: Lab) -> None:
    liar = Client(lab.server.url, "wrong")
    assert "WWW-Authenticate" in liar.get("/jobs").headers
    problem(liar.get("/jobs"), 401)
    liar.close()


def test_a_stranger_may_not_submit(stranger: Client) -> None:
    problem(stranger.post("/jobs", {"definition": shell_job(say("true"))}), 401)


@pytest.mark.parametrize("key", ["x", "-1", "9" * 30, "MTIz%00", "../../etc/passwd"])
def test_a_bad_page_key_is_refused(client: Client, key: str) -> None:
    problem(client.ask("GET", f"/api/v1/jobs?after={key}"), 400)


def test_a_bad_page_size_is_refused(client: Client) -> None:
    problem(client.get("/jobs", limit="-5"), 400)


def test_a_body_that_is_too_large_is_refused(client: Client) -> None:
    body = json.dumps({"definition": "x" * 12 * 2**20}).encode()
    answer = client.ask("POST", "/api/v1/jobs", body, {"Content-Type": "application/json"})
    problem(answer, 413)


def test_a_body_that_is_announced_as_endless_is_refused_before_it_comes(lab: Lab) -> None:
    parts = urlsplit(lab.server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as link:
        link.sendall(
            b"POST /api/v1/jobs HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert b" 413 " in link.recv(1000)


def test_a_wrong_content_type_is_refused_with_the_right_ones(client: Client) -> None:
    answer = client.ask("POST", "/api/v1/jobs", b"<job/>", {"Content-Type": "application/xml"})
    assert "application/json" in problem(answer, 415)["detail"]


def test_a_body_that_is_no_json_is_refused(client: Client) -> None:
    answer = client.ask("POST", "/api/v1/jobs", b"{", {"Content-Type": "application/json"})
    problem(answer, 400)


def test_an_unknown_field_is_refused_by_name(client: Client) -> None:
    found = problem(client.post("/jobs", {"definition": "a: b", "colour": "blue"}), 400)
    assert any(error["path"] == "colour" for error in found["errors"])


def test_a_job_that_is_not_there_is_not_found(client: Client) -> None:
    problem(client.get("/jobs/999999999"), 404)
    problem(client.get("/jobs/99999999999999999999999"), 404)


def test_a_wrong_method_is_refused(client: Client) -> None:
    problem(client.ask("DELETE", "/api/v1/jobs/1"), 405)
