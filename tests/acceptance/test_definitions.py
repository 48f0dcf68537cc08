"""Lava-Test definitions: from everywhere they come from, with everything their helpers report."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from typing import Any
from xml.etree import ElementTree

import yaml

from tests.acceptance.conftest import Lab
from tests.acceptance.outcomes import Job, case, complete, incomplete, verdicts
from tests.lab.client import Client
from tests.lab.devices import overlay_job
from tests.lab.jobs import Block, inline, lava_test, shell_test

SECRET = "correct-horse-battery"


def run(client: Client, *tests: Block, **keys: Any) -> Job:
    """Run a job with an overlay."""
    return client.run(overlay_job(*tests, **keys))


def test_measurements_sets_and_references_are_results(client: Client) -> None:
    steps = (
        "lava-test-case speed --result pass --measurement 12.5 --units MB/s",
        "lava-test-set start storage",
        "lava-test-case disk --shell true",
        "lava-test-case tape --shell false",
        "lava-test-set stop",
        "lava-test-reference spec --result pass --reference http://localhost/spec",
        "lava-test-case skipped --result skip",
    )
    job = complete(client, run(client, shell_test(*steps)))
    assert verdicts(client, job, "0_smoke") == {
        "speed": "pass",
        "disk": "pass",
        "tape": "fail",
        "spec": "pass",
        "skipped": "skip",
    }
    speed = case(client, job, "0_smoke", "speed")
    assert (float(speed["measurement"]), speed["units"]) == (12.5, "MB/s")
    assert case(client, job, "0_smoke", "disk")["set"] == "storage"
    assert case(client, job, "0_smoke", "skipped")["set"] is None
    assert case(client, job, "0_smoke", "spec")["metadata"]["reference"] == "http://localhost/spec"
    assert verdicts(client, job, "lava")["0_smoke"] == "pass"


def test_raise_ends_the_job_as_a_test_error(client: Client) -> None:
    steps = ("lava-test-case before --result pass", "lava-test-raise enough", "sleep 600")
    job = run(client, shell_test(*steps))
    assert "enough" in incomplete(client, job, "Test")
    assert verdicts(client, job, "0_smoke") == {"before": "pass"}


def test_a_step_that_fails_ends_its_definition_only(client: Client) -> None:
    both = {"test": {"definitions": [inline("false", name="bad"), inline("true", name="good")]}}
    job = complete(client, run(client, both))
    lava = verdicts(client, job, "lava")
    assert (lava["0_bad"], lava["1_good"]) == ("fail", "pass")


def test_definitions_count_over_several_blocks(client: Client) -> None:
    first, second = shell_test("true", name="first"), shell_test("true", name="second")
    job = complete(client, run(client, first, second))
    assert {"0_first", "1_second"} <= set(verdicts(client, job, "lava"))


def test_parameters_of_the_job_win_over_defaults(client: Client, lab: Lab) -> None:
    text = lava_test('lava-test-case "$ONE-$TWO" --result pass', params={"ONE": "1", "TWO": "2"})
    url = lab.forge.add("parameters.git", {"test.yaml": yaml.safe_dump(text)})
    item = {
        "from": "git",
        "repository": url,
        "path": "test.yaml",
        "name": "smoke",
        "parameters": {"TWO": "II"},
    }
    job = complete(client, run(client, {"test": {"definitions": [item]}}))
    assert verdicts(client, job, "0_smoke") == {"1-II": "pass"}


def test_a_definition_comes_from_git(client: Client, lab: Lab) -> None:
    text = yaml.safe_dump(lava_test("lava-test-case from-git --shell test -f data.txt"))
    url = lab.forge.add("tests.git", {"deep/test.yaml": text, "data.txt": "x"}, tag="v1")
    item = {"from": "git", "repository": url, "path": "deep/test.yaml", "name": "cloned"}
    job = complete(client, run(client, {"test": {"definitions": [item]}}))
    assert verdicts(client, job, "0_cloned") == {"from-git": "pass"}
    tagged = {"test": {"definitions": [{**item, "revision": "v1"}]}}
    complete(client, run(client, tagged))


def test_a_git_repository_that_is_not_there_is_named(client: Client, lab: Lab) -> None:
    url = f"{lab.forge.url}/nowhere.git"
    item = {"from": "git", "repository": url, "path": "test.yaml", "name": "lost"}
    job = run(client, {"test": {"definitions": [item]}})
    assert url in incomplete(client, job, job["error"]["type"])
    assert job["error"]["type"] in ("Job", "Infrastructure")


def test_a_path_that_the_repository_lacks_is_named(client: Client, lab: Lab) -> None:
    url = lab.forge.add("empty.git", {"README": "x"})
    item = {"from": "git", "repository": url, "path": "no/such.yaml", "name": "lost"}
    job = run(client, {"test": {"definitions": [item]}})
    assert "no/such.yaml" in incomplete(client, job, "Job")


def test_a_definition_comes_from_an_archive_behind_a_url(client: Client, lab: Lab) -> None:
    text = yaml.safe_dump(lava_test("lava-test-case from-url --result pass")).encode()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo("suite/test.yaml")
        member.size = len(text)
        tar.addfile(member, io.BytesIO(text))
    url = lab.files.add("suite.tar.gz", out.getvalue())
    item = {
        "from": "url",
        "repository": url,
        "compression": "gz",
        "path": "suite/test.yaml",
        "name": "fetched",
    }
    job = complete(client, run(client, {"test": {"definitions": [item]}}))
    assert verdicts(client, job, "0_fetched") == {"from-url": "pass"}


def test_secrets_are_masked_in_log_and_results(client: Client) -> None:
    steps = (
        'eval "$(cat /proc/self/environ >/dev/null; cat ../../../secrets)"',
        'echo "the word is $WORD"',
        'lava-test-case "saw-$WORD" --result pass',
    )
    job = run(client, shell_test(*steps), secrets={"WORD": SECRET})
    log = client.log(job["id"])
    assert SECRET.encode() not in log
    assert b"[MASKED]" in log
    assert SECRET not in json.dumps(client.results(job["id"]))
    assert SECRET not in client.get(f"/jobs/{job['id']}/plan").text


def test_expected_cases_that_never_came_are_failures(client: Client) -> None:
    item = inline("lava-test-case here --result pass", expected=["here", "missing"])
    job = complete(client, run(client, {"test": {"definitions": [item]}}))
    assert verdicts(client, job, "0_smoke") == {"here": "pass", "missing": "fail"}


def test_results_come_in_four_forms(client: Client) -> None:
    job = complete(client, run(client, shell_test("lava-test-case one --result pass")))
    path = f"/jobs/{job['id']}/results"
    wanted = {("0_smoke", "one", "pass")}

    def triples(rows: list[dict[str, str]]) -> set[tuple[str, str, str]]:
        return {(row["suite"], row["name"], row["result"]) for row in rows}

    assert wanted <= triples(client.get(path, format="json").json)
    assert wanted <= triples(yaml.safe_load(client.get(path, format="yaml").text))
    assert wanted <= triples(list(csv.DictReader(io.StringIO(client.get(path, format="csv").text))))
    junit = ElementTree.fromstring(client.get(path, format="junit").body)
    names = {(case.get("classname"), case.get("name")) for case in junit.iter("testcase")}
    assert ("0_smoke", "one") in names
