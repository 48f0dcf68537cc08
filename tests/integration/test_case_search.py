"""Cases of all jobs are found by an index, and only those of jobs that the searcher sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError
from labq.domain.verdicts import Verdict
from labq.models.job import Job
from labq.services import case_search, results
from labq.services.case_search import CaseFilter, FoundCase
from labq.services.visibility import ANONYMOUS, Viewer
from tests.integration.conductor_lab import TEST, result
from tests.integration.web_site import START, Person, Site

NOW = START + timedelta(days=1)


def _job(site: Site, person: Person, days: int, verdicts: str, **values: object) -> int:
    """Return a job of some days ago with cases `boot-0`, `boot-1` ... of these verdicts."""
    number = site.job(person, submitted_at=START - timedelta(days=days), **values)
    with Session(site.engine) as session, session.begin():
        job = session.get_one(Job, number)
        job.run_id = number
        cases = [
            replace(
                result(number, TEST, f"boot-{place}", place),
                verdict=Verdict.PASS if letter == "p" else Verdict.FAIL,
            )
            for place, letter in enumerate(verdicts)
        ]
        results.store(session, [(job, case) for case in cases])
    return number


def _found(site: Site, wanted: CaseFilter, viewer: Viewer = ANONYMOUS) -> list[tuple[int, str]]:
    """Return job and name of all that is found, page by page."""
    found: list[FoundCase] = []
    after = None
    while True:
        with Session(site.engine) as session:
            page = case_search.find_page(session, viewer, wanted, now=NOW, after=after, limit=2)
        found += page.items
        after = page.next
        if after is None:
            return [(case.job, case.name) for case in found]


def test_cases_are_found_by_name_the_newest_first(site: Site, ann: Person) -> None:
    jobs = [_job(site, ann, days, "pfp") for days in (3, 2, 2, 40)]
    expected = [(jobs[2], "boot-1"), (jobs[1], "boot-1"), (jobs[0], "boot-1")]
    assert _found(site, CaseFilter(name="boot-1")) == expected
    assert _found(site, CaseFilter(name="boot-1", verdict=Verdict.PASS)) == []
    assert _found(site, CaseFilter(name="boot-1", suite="other")) == []
    since = START - timedelta(days=50)
    assert _found(site, CaseFilter(name="boot-1", since=since)) == [*expected, (jobs[3], "boot-1")]


def test_failures_are_found_without_a_name(site: Site, ann: Person) -> None:
    job = _job(site, ann, 1, "pffpf")
    assert [case for _, case in _found(site, CaseFilter(verdict=Verdict.FAIL))] == [
        "boot-4",
        "boot-2",
        "boot-1",
    ]
    assert _found(site, CaseFilter(verdict=Verdict.FAIL, suite="0_shell"))[0][0] == job


def test_cases_of_hidden_jobs_are_not_found(site: Site, ann: Person, bob: Person) -> None:
    job = _job(site, ann, 1, "f", viewing_groups=[])
    wanted = CaseFilter(verdict=Verdict.FAIL)
    assert _found(site, wanted) == _found(site, wanted, Viewer(user_id=bob.id)) == []
    assert _found(site, wanted, Viewer(user_id=ann.id)) == [(job, "boot-0")]


def test_a_page_ends_early_where_many_are_hidden(
    site: Site, ann: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case_search, "WALK", 3)
    seen = _job(site, ann, 3, "pp")
    _job(site, ann, 2, "ffff", viewing_groups=[])
    wanted = CaseFilter(name="boot-0")
    for days in range(4):
        _job(site, ann, 1, "f" * days, viewing_groups=[])
    with Session(site.engine) as session:
        first = case_search.find_page(session, ANONYMOUS, wanted, now=NOW)
    assert first.items == ()
    assert first.next is not None
    assert _found(site, wanted) == [(seen, "boot-0")]


def test_what_no_index_answers_is_refused(site: Site) -> None:
    for wanted in (CaseFilter(), CaseFilter(verdict=Verdict.PASS), CaseFilter(suite="x")):
        with pytest.raises(InvalidInputError, match="by name"):
            _found(site, wanted)
    answer = site.get("/cases?result=pass")
    assert (answer.status_code, answer.json["errors"][0]["path"]) == (400, "name")


@pytest.mark.parametrize("key", ["x", "bjIwMjYtMTEtMjA", "bjIwMjYtMTEtMjAvLTE", "bng", "aTE"])
def test_a_page_key_that_is_none_is_refused(site: Site, key: str) -> None:
    assert site.get(f"/cases?name=x&after={key}").status_code == 400


def test_a_search_reads_an_index(site: Site, ann: Person) -> None:
    """Even where a table is small enough to be read whole: the planner is told not to."""
    _job(site, ann, 1, "pf")
    for wanted, index in (
        (CaseFilter(name="boot-1"), f"ix_test_case_newest_{START:%Y_%m}"),
        (CaseFilter(verdict=Verdict.FAIL), f"test_case_{START:%Y_%m}_submitted_on_id"),
    ):
        with Session(site.engine) as session:
            session.execute(text("SET enable_seqscan = off"))
            plan = _plan(session, wanted)
        assert index in plan
        assert "Seq Scan on test_case" not in plan


def _plan(session: Session, wanted: CaseFilter) -> str:
    since = (NOW - case_search.WINDOW).date()
    walked = case_search._walk(wanted, since, None)
    query = case_search._select(ANONYMOUS, wanted, walked, since)
    words = query.limit(26).compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    return "\n".join(session.scalars(text(f"EXPLAIN {str(words).replace(':', chr(92) + ':')}")))
