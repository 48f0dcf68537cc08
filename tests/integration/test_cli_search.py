"""Searches by the command line against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli_runner import Cli, served
from tests.integration.web_site import Person, Site


@pytest.fixture
def cli(site: Site, tmp_path: Path) -> Iterator[Cli]:
    with served(site) as url:
        yield Cli(url, tmp_path)


def test_jobs_are_searched_counted_and_shown_in_the_queue(
    cli: Cli, site: Site, ann: Person
) -> None:
    site.device()
    job = site.job(ann, name="boot test")
    site.job(ann, name="another")
    listed = cli("job", "list", "--search", 'type:shell "boot test"', "--json")
    assert [row["id"] for row in json.loads(listed.stdout)] == [job]
    assert cli("job", "list", "--search", "type:shell", "--count").stdout == "2\n"
    refused = cli("job", "list", "--search", "colour:red since:soon")
    assert refused.returncode == 1
    assert "'colour:red' at character 1" in refused.stderr
    assert "'since:soon' at character 12" in refused.stderr
    assert json.loads(cli("job", "queue", "--json").stdout)[0]["waiting"] == 2
    assert "its turn: an idle device fits" in cli("job", "queue", "shell").stdout


def test_cases_are_searched_by_name_or_as_failures(cli: Cli, site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    failed = json.loads(cli("case", "list", "--failed", "--days", "365", "--json").stdout)
    assert [(row["job"], row["verdict"]) for row in failed] == [(job, "fail")]
    name = failed[0]["name"]
    assert name in cli("case", "list", name, "--days", "365").stdout
    refused = cli("case", "list", "--result", "pass")
    assert refused.returncode == 1
    assert "nothing else is indexed" in refused.stderr
