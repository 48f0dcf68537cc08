"""Which cases of a job are exported and listed."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest
from sqlalchemy.orm import Session

from labq.domain.verdicts import Verdict
from labq.models.job import Job
from labq.models.result import TestCase, TestSuite
from labq.services import case_list, job_cases, partitions, results
from labq.web import spooled
from tests.integration.conductor_lab import TEST, result
from tests.integration.web_site import START, Person, Site


def _add_case(site: Site, job: int, run: int | None, suite: str, name: str) -> None:
    with Session(site.engine) as session, session.begin():
        partitions.ensure(session.connection(), START.date(), START.date())
        row = TestSuite(job_id=job, run_id=run, submitted_on=START.date(), name=suite, skipped=1)
        session.add(row)
        session.flush()
        session.add(
            TestCase(
                suite_id=row.id,
                submitted_on=START.date(),
                epoch=0,
                step=0,
                channel="main",
                offset=0,
                name=name,
                verdict=Verdict.SKIP,
                logged_at=START,
            )
        )


def _names(site: Site, job: int, suite: str | None = None) -> list[tuple[str, str]]:
    with Session(site.engine) as session:
        suites = job_cases.find_suites(session, job, suite)
        return [(case.suite, case.name) for case in job_cases.read(session, job, suites)]


def test_cases_come_by_suite_in_the_order_they_were_stored(site: Site, ann: Person) -> None:
    job, run = site.finished_job(ann, site.device())
    _add_case(site, job, run, "1_more", "third")
    assert _names(site, job) == [("0_smoke", "first"), ("0_smoke", "second"), ("1_more", "third")]
    assert _names(site, job, "1_more") == [("1_more", "third")]


def test_only_the_latest_run_of_the_job_itself_counts(site: Site, ann: Person) -> None:
    device = site.device()
    job, _ = site.finished_job(ann, device)
    other, other_run = site.finished_job(ann, device)
    with Session(site.engine) as session, session.begin():
        session.get_one(Job, other).run_id = None
    assert len(_names(site, job)) == 2
    assert _names(site, other) == []
    assert other_run


def test_a_job_that_never_ran_has_the_cases_the_server_wrote(site: Site, ann: Person) -> None:
    job = site.job(ann)
    _add_case(site, job, None, "lava", "job")
    assert _names(site, job) == [("lava", "job")]


def test_a_list_of_cases_goes_on_after_its_page_and_filters(site: Site, ann: Person) -> None:
    job, run = site.finished_job(ann, site.device())
    _add_case(site, job, run, "1_more", "third")
    with Session(site.engine) as session:
        first = case_list.find_page(session, job, limit=2)
        rest = case_list.find_page(session, job, limit=2, after=first.next)
        failed = case_list.find_page(session, job, verdict=Verdict.FAIL)
        more = case_list.find_page(session, job, suite="1_more")
    assert [case.name for case in (*first.items, *rest.items)] == ["first", "second", "third"]
    assert rest.next is None
    assert [case.name for case in failed.items] == ["second"]
    assert [case.name for case in more.items] == ["third"]


def test_a_large_export_is_whole_whatever_its_form(
    site: Site, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cases of one suite and of several small ones come in parts, and wait in a file."""
    monkeypatch.setattr(job_cases, "CHUNK", 7)
    monkeypatch.setattr(spooled, "MOST_IN_MEMORY", 500)
    job, run = site.finished_job(ann, site.device())
    with Session(site.engine) as session, session.begin():
        row = session.get_one(Job, job)
        cases = [result(run, TEST, f"case-{place}", place) for place in range(40)]
        few = [replace(result(run, TEST, f"few-{n}", n), suite=f"s{n // 2}") for n in range(9)]
        results.store(session, [(row, case) for case in (*cases, *few)])
    expected = {"first", "second", *(case.case for case in (*cases, *few))}
    with site.get(f"/jobs/{job}/results") as answer:
        found = [case["name"] for case in answer.json]
    assert (len(found), set(found)) == (51, expected)
    with site.get(f"/jobs/{job}/results?format=junit") as answer:
        root = ElementTree.fromstring(answer.text)
    assert [int(suite.attrib["tests"]) for suite in root] == [len(suite) for suite in root]
    assert {case.attrib["name"] for case in root.iter("testcase")} == expected
    with Session(site.engine) as session:
        names, after = [], None
        while True:
            page = case_list.find_page(session, job, after=after, limit=4)
            names += [case.name for case in page.items]
            after = page.next
            if after is None:
                break
    assert names == found
