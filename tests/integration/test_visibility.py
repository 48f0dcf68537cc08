"""The condition "jobs this viewer sees", against the same said plainly."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from labq.models.job import Job
from labq.services import job_events
from labq.services.visibility import ANONYMOUS, Viewer, visible_jobs
from tests.integration.web_site import Site

GROUPS = st.integers(min_value=1, max_value=4)


def may_see(viewer: Viewer, submitter: int, groups: list[int] | None) -> bool:
    """Say the rule in the words of the table's description."""
    if groups is None or viewer.is_admin or viewer.user_id == submitter:
        return True
    return len(groups) > 0 and all(group in viewer.groups for group in groups)


@pytest.fixture
def submitters(site: Site) -> list[int]:
    return [site.person(name).id for name in ("one", "two")]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    jobs=st.lists(
        st.tuples(st.integers(0, 1), st.none() | st.lists(GROUPS, max_size=3)), max_size=6
    ),
    who=st.none() | st.integers(0, 2),
    groups=st.lists(GROUPS, max_size=4, unique=True),
    is_admin=st.booleans(),
)
def test_the_condition_agrees_with_the_rule(
    site: Site,
    submitters: list[int],
    jobs: list[tuple[int, list[int] | None]],
    who: int | None,
    groups: list[int],
    is_admin: bool,
) -> None:
    known = [*submitters, 999]
    viewer = (
        ANONYMOUS
        if who is None
        else Viewer(user_id=known[who], name="x", is_admin=is_admin, groups=tuple(groups))
    )
    with Session(site.engine) as session:
        session.execute(delete(Job))
        session.commit()
    made = {
        site.job_row(submitters[by], viewing_groups=wanted): (submitters[by], wanted)
        for by, wanted in jobs
    }
    with Session(site.engine) as session:
        found = set(session.scalars(select(Job.id).where(visible_jobs(viewer))))
        told = job_events.find_events(session, list(made))
    assert found == {job for job, facts in made.items() if may_see(viewer, *facts)}
    assert found == {each.event.id for each in told if each.is_for(viewer)}
