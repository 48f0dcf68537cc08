"""Test cases of one job by pages, filtered; whole exports are in `labq.services.export`."""

from __future__ import annotations

from sqlalchemy.orm import Session

from labq.domain.verdicts import Verdict
from labq.models.result import TestCase, TestSuite
from labq.services.export import ExportedCase, select_cases
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
    """Return cases of the latest run in the order they were stored."""
    query = select_cases(job)
    if suite is not None:
        query = query.where(TestSuite.name == suite)
    if verdict is not None:
        query = query.where(TestCase.verdict == verdict)
    if after is not None:
        query = query.where(TestCase.id > decode_id(after))
    rows = session.execute(query.order_by(TestCase.id).limit(limit + 1))
    return page_of([ExportedCase(**row._asdict()) for row in rows], limit, lambda case: case.id)
