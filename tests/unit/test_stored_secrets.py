"""Names of stored tokens in a definition stand for their values."""

from __future__ import annotations

from labq.jobdef.parse import parse_job
from labq.jobdef.stored_secrets import fill

DEFINITION = """
job_name: smoke
device_type: shell
visibility: personal
timeouts: {job: {minutes: 5}}
secrets: {API_KEY: mine, OTHER: literal}
actions:
- deploy:
    to: tmpfs
    images:
      kernel:
        url: http://example.org/mine
        headers: {PRIVATE-TOKEN: mine, Accept: text}
- test:
    definitions:
    - {from: url, repository: "http://example.org/a.tar.gz", name: mine, path: a.yaml, headers: {X: other}}
"""
STORED = {"mine": "topsecret", "other": "deep"}


def test_values_of_secrets_and_headers_are_replaced_and_nothing_else() -> None:
    found = fill(parse_job(DEFINITION), STORED.get)
    deploy, test = (block.parameters for block in found.spec.actions)
    assert found.spec.secrets == {"API_KEY": "topsecret", "OTHER": "literal"}
    kernel = {
        "url": "http://example.org/mine",
        "headers": {"PRIVATE-TOKEN": "topsecret", "Accept": "text"},
    }
    assert deploy["images"] == {"kernel": kernel}
    definitions = test["definitions"]
    assert isinstance(definitions, list)
    assert definitions[0]["name"] == "mine"
    assert definitions[0]["headers"] == {"X": "deep"}


def test_what_was_put_in_is_known_so_that_logs_can_hide_it() -> None:
    assert fill(parse_job(DEFINITION), STORED.get).values == ("topsecret", "deep")


def test_a_definition_without_such_a_name_stays_what_it_was() -> None:
    spec = parse_job(DEFINITION)
    assert fill(spec, {}.get).spec is spec
