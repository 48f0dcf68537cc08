"""Test cases of one job by pages, filtered; whole exports are in `labq.services.export`."""

from __future__ import annotations

from itertools import islice

from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.verdicts import Verdict
from labq.services import job_cases
from labq.services.export import ExportedCase
from labq.services.paging import Page, decode_id, page_of


def find_page(
    session: Session,
    job: int,
    *,
    suite: str | None = None,
    verdict: Verdict | None = None,
    after: str | None = None,
    limit: int = 300,
) -> Page[ExportedCase]:
    """Return cases of the latest run, suite by suite in the order in which they were reported.

    Raises InvalidInputError for a page key that is none of this job's, or of a case that is gone.
    """
    suites = job_cases.find_suites(session, job, suite)
    place = None
    if after is not None:
        place = job_cases.find_place(session, suites, decode_id(after))
        if place is None:
            message = "no case of this list, or one that is gone: begin at the first page"
            raise InvalidInputError([Problem("after", message)])
    found = job_cases.read(session, job, suites, verdict=verdict, after=place)
    return page_of(list(islice(found, limit + 1)), limit, lambda case: case.id)
