"""Results are stored once each, counted by suite, and deleted with all that counts them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.verdicts import Verdict
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.result import TestCase, TestSuite
from labq.services import job_view, partitions, results
from labq.services.visibility import Viewer
from tests.integration.conductor_lab import BOOT, COLLECT, NOW, TEST, Lab, result
from tests.integration.web_site import Person, Site

ODD = ("", "NULL", 'say "yes"', "back\\slash", "{a,b}", "a\tb\nc", "ä 🙂", "'; --", "\\N", "%s :x")


@pytest.fixture
def runs(lab: Lab) -> dict[int, int]:
    """Return two jobs, by the numbers of the runs that a test gives them."""
    return {number: lab.submit() for number in (1, 2)}


def test_suites_count_their_cases_whatever_becomes_of_them(lab: Lab, runs: dict[int, int]) -> None:
    chance = random.Random(4)
    for _ in range(15):
        with Session(lab.engine) as session, session.begin():
            run = chance.choice(list(runs))
            _change(session, session.get_one(Job, runs[run]), run, chance)
        with Session(lab.engine) as session:
            assert _counted(session) == _kept(session)
    with Session(lab.engine) as session:
        assert _kept(session).total() > 10


def _change(session: Session, job: Job, run: int, chance: random.Random) -> None:
    """Report some results, many of them again; now and then go back, or forget the run."""
    match chance.randrange(8):
        case 0:
            results.supersede(session, job, run, chance.choice((BOOT, TEST, COLLECT)))
        case 1 if chance.random() < 0.3:
            results.forget(session, [(job, run)])
        case _:
            reported = [
                replace(
                    result(run, chance.choice((BOOT, TEST)), "a", chance.randrange(60)),
                    suite=chance.choice(("one", "two")),
                    verdict=chance.choice(list(Verdict)),
                )
                for _ in range(12)
            ]
            results.store(session, [(job, event) for event in reported])


def _kept(session: Session) -> Counter[tuple[int, Verdict]]:
    rows = session.execute(select(TestCase.suite_id, TestCase.verdict))
    return Counter((suite, verdict) for suite, verdict in rows)


def _counted(session: Session) -> Counter[tuple[int, Verdict]]:
    found: Counter[tuple[int, Verdict]] = Counter()
    for suite in session.scalars(select(TestSuite)):
        numbers = (suite.passed, suite.failed, suite.skipped, suite.unknown)
        assert min(numbers) >= 0
        for verdict, number in zip(Verdict, numbers, strict=True):
            if number:
                found[suite.id, verdict] = number
    return found


def test_results_are_kept_as_they_were_reported(lab: Lab, runs: dict[int, int]) -> None:
    sent = [
        replace(
            result(1, TEST, text, offset),
            units=text,
            test_set=text if offset % 2 else None,
            details={text: [text, None]} if offset % 3 else {},
            measurement=Decimal("-12.3456789012") if offset % 2 else None,
            at=NOW + timedelta(microseconds=offset + 1),
            start_line=offset if offset % 2 else None,
        )
        for offset, text in enumerate(ODD)
    ]
    with Session(lab.engine) as session, session.begin():
        job = session.get_one(Job, runs[1])
        results.store(session, [(job, event) for event in sent])
    with Session(lab.engine) as session:
        kept = session.scalars(select(TestCase).order_by(TestCase.offset)).all()
    assert [case.name for case in kept] == list(ODD)
    for case, event in zip(kept, sent, strict=True):
        shown = (case.units, case.test_set, case.details, case.logged_at, case.start_line)
        assert shown == (event.units, event.test_set, event.details, event.at, event.start_line)
        assert case.measurement == (event.measurement and round(event.measurement, 10))
        assert (case.line, case.verdict, case.step) == (event.line, event.verdict, event.step)


def test_an_identity_is_all_of_its_parts(lab: Lab, runs: dict[int, int]) -> None:
    one = result(1, TEST, "a", 5)
    others = [
        replace(one, epoch=2),
        replace(one, step=BOOT),
        replace(one, channel="uart1"),
        replace(one, offset=6),
        replace(one, case="b"),
        replace(one, run=2),
    ]
    with Session(lab.engine) as session, session.begin():
        jobs = {run: session.get_one(Job, job) for run, job in runs.items()}
        results.store(session, [(jobs[event.run], event) for event in (one, *others, *others)])
        results.store(session, [(jobs[1], replace(one, verdict=Verdict.FAIL))])
    with Session(lab.engine) as session:
        assert len(session.scalars(select(TestCase)).all()) == 1 + len(others)
        assert Verdict.FAIL not in session.scalars(select(TestCase.verdict)).all()


def test_a_result_of_a_month_without_a_partition_makes_it(lab: Lab, runs: dict[int, int]) -> None:
    with Session(lab.engine) as session, session.begin():
        job = session.get_one(Job, runs[1])
        job.submitted_at -= timedelta(days=800)
        results.store(session, [(job, result(1, TEST, "a")), (job, result(1, TEST, "b"))])
        month = day_of(job.submitted_at).replace(day=1)
    with lab.engine.connect() as connection:
        found = [one for one in partitions.months(connection) if one.month == month]
    assert [one.table for one in found] == ["run_log", "test_case", "test_suite"]


def test_results_of_deleted_jobs_are_gone_and_those_of_others_stay(
    lab: Lab, runs: dict[int, int]
) -> None:
    with Session(lab.engine) as session, session.begin():
        for run, job in runs.items():
            results.store(session, [(session.get_one(Job, job), result(run, TEST, "a"))])
    with Session(lab.engine) as session, session.begin():
        job = session.get_one(Job, runs[1])
        assert results.delete_of(session, [(job.id, day_of(job.submitted_at))]) == 1
    with Session(lab.engine) as session:
        assert session.scalars(select(TestSuite.job_id)).all() == [runs[2]]
        assert len(session.scalars(select(TestCase.id)).all()) == 1


def test_a_job_shows_the_suites_of_its_run_that_have_cases(site: Site, ann: Person) -> None:
    job, run = site.finished_job(ann, site.device())
    with Session(site.engine) as session, session.begin():
        row = session.get_one(Job, job)
        results.store(session, [(row, replace(result(run, TEST, "a"), suite="back"))])
        results.supersede(session, row, run, TEST)
        found = job_view.find(session, Viewer(user_id=ann.id, name="ann"), job)
    assert [(suite.name, suite.passed, suite.failed) for suite in found.suites] == [
        ("0_smoke", 1, 1)
    ]
