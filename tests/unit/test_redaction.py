"""Secrets go out of a definition's text, and nothing else of it changes."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labq.jobdef.redaction import NOWHERE, REDACTED, SUSPICIOUS, redact

DEFINITION = """\
# über alles: kept
job_name: smoke   # kept
secrets:
  API: "hush-1"
  KEY: |
    hush-2
    hush-3

timeouts: {job: {minutes: 5}}
notify:
  criteria: {status: finished}
  recipients:
  - to: {method: email, email: hush@4.example}
  callbacks:
  - url: https://ci.example/hush-5?x=1
    method: POST
    header: X-hush-6
    token: 'hush-7'
    dataset: all
    content-type: json
context: {password: hush-8, PRIVATE_KEY: [hush-9, hush-10], kernel: plain}
actions:
- deploy:
    images:
      kernel:
        url: https://me:hush-11@files.example/k
        headers: {PRIVATE-TOKEN: hush-12}
- boot:
    auto_login: {login_prompt: 'login:', password_prompt: 'Password:', username: root, password: hush-13}
"""


def test_every_secret_is_gone_and_the_rest_is_as_it_was() -> None:
    text = redact(DEFINITION)
    assert "hush" not in text
    before, after = yaml.safe_load(DEFINITION), yaml.safe_load(text)
    assert after["secrets"] == {"API": REDACTED, "KEY": f"{REDACTED}"}
    assert after["notify"]["callbacks"][0] == {
        "url": NOWHERE,
        "method": "POST",
        "header": REDACTED,
        "token": REDACTED,
        "dataset": "all",
        "content-type": "json",
    }
    assert after["notify"]["criteria"] == before["notify"]["criteria"]
    assert after["context"] == {
        "password": REDACTED,
        "PRIVATE_KEY": [REDACTED, REDACTED],
        "kernel": "plain",
    }
    assert after["timeouts"] == before["timeouts"]
    kernel = after["actions"][0]["deploy"]["images"]["kernel"]
    assert kernel == {
        "url": f"https://{REDACTED}@files.example/k",
        "headers": {"PRIVATE-TOKEN": REDACTED},
    }
    login = after["actions"][1]["boot"]["auto_login"]
    assert (login["login_prompt"], login["password_prompt"]) == ("login:", "Password:")
    assert "# über alles: kept" in text
    assert text.splitlines()[1] == DEFINITION.splitlines()[1]


def test_the_text_without_a_secret_is_the_same() -> None:
    text = "job_name: x # remark\nactions:\n- boot: {prompts: ['# ']}\n"
    assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "secrets: {a: hush",
        "secrets: &x {a: &y hush}\nb: *y\n",
        "a: 1\n--- \nsecrets: {b: hush}\n",
        "\x00secrets: hush",
        "secrets: [" * 2000,
    ],
)
def test_what_cannot_be_read_is_left_out_whole(text: str) -> None:
    assert "hush" not in redact(text)


def test_a_secret_that_others_refer_to_is_gone_everywhere() -> None:
    text = redact("token: &t hush\nother: {x: *t}\n")
    assert "hush" not in text


@given(st.text(min_size=1, max_size=40))
def test_no_value_of_a_secret_survives_in_any_form(value: str) -> None:
    text = yaml.safe_dump({"secrets": {"a": f"hush{value}"}, "z": 1}, allow_unicode=True)
    found = redact(text)
    assert "hush" not in found
    if not found.startswith("#"):
        assert yaml.safe_load(found)["z"] == 1


def test_the_search_in_the_database_finds_what_is_redacted() -> None:
    pattern = re.compile(SUSPICIOUS.replace("[:space:]", r"\s"), re.IGNORECASE)
    for text in ("secrets:", "x_TOKEN: 1", "headers:", "Passwd: x", "u: http://a:b@c", "notify:"):
        assert pattern.search(text)
    assert not pattern.search("job_name: smoke")
