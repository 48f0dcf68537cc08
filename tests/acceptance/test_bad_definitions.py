"""Definitions nobody could run: each is refused at once, with the place and what is wrong there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.client import Answer, Client
from tests.lab.devices import shell_job
from tests.lab.jobs import say

YAML = {"Content-Type": "application/yaml"}
GOOD = shell_job(say("true"))


def refused(client: Client, text: bytes) -> dict[str, Any]:
    """Submit a text as it is; return the problem it is refused with."""
    answer = client.ask("POST", "/api/v1/jobs", text, YAML)
    return problem(answer, 400)


def problem(answer: Answer, status: int) -> dict[str, Any]:
    """Return the problem details of an answer that must have this status."""
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    details: dict[str, Any] = answer.json
    assert details["detail"]
    return details


def test_text_that_is_no_yaml_is_refused_with_its_line(client: Client) -> None:
    found = refused(client, b"job_name: trial\nactions: [\n  {deploy: }\n")
    assert found["errors"][0]["line"] >= 3


def test_a_list_instead_of_a_mapping_is_refused(client: Client) -> None:
    assert "mapping" in refused(client, b"- deploy\n- boot\n")["detail"]


def test_ten_megabytes_are_refused(client: Client) -> None:
    text = GOOD.encode() + b"# " + b"x" * 10 * 2**20
    answer = client.ask("POST", "/api/v1/jobs", text, YAML)
    assert problem(answer, answer.status)["status"] in (400, 413)


def test_a_deeply_nested_definition_is_refused(client: Client) -> None:
    found = refused(client, b"job_name: " + b"[" * 20_000 + b"]" * 20_000)
    assert "nest" in found["detail"] or "deep" in found["detail"]


def test_an_alias_bomb_is_refused_quickly(client: Client) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    found = refused(client, "\n".join(lines).encode())
    assert "values" in found["detail"] or "alias" in found["detail"]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("job_name: trial", "job_name: [trial]", "job_name"),
        ("visibility: public", "visibility: 7", "visibility"),
        ("device_type: shell", "device_type: {a: b}", "device_type"),
        ("    minutes: 5", "    minutes: soon", "timeouts.job"),
    ],
)
def test_a_wrong_type_is_named_by_its_path(client: Client, old: str, new: str, path: str) -> None:
    assert old in GOOD
    found = refused(client, GOOD.replace(old, new, 1).encode())
    assert any(error["path"].startswith(path) for error in found["errors"]), found


def test_all_problems_are_told_at_once(client: Client) -> None:
    text = GOOD.replace("job_name: trial", "job_name: 7").replace("visibility: public", "what: x")
    paths = {error["path"] for error in refused(client, text.encode())["errors"]}
    assert {"job_name", "what"} <= paths


def test_an_unknown_device_type_is_named(client: Client) -> None:
    found = refused(client, GOOD.replace("device_type: shell", "device_type: toaster").encode())
    assert "toaster" in found["detail"]


def test_a_nul_byte_is_refused(client: Client) -> None:
    refused(client, GOOD.replace("trial", "tri\0al").encode())


def test_bytes_that_are_no_utf_8_are_refused(client: Client) -> None:
    found = refused(client, GOOD.encode().replace(b"trial", b"tri\xff\xfeal"))
    assert "UTF-8" in found["detail"]


def test_an_escaped_nul_never_reaches_the_database(client: Client) -> None:
    refused(client, GOOD.replace("job_name: trial", 'job_name: "tri\\0al"').encode())
