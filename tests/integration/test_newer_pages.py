"""Pages of the list of jobs, upward."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from labq.services import job_list, job_query
from labq.services.job_list import JobFilter
from labq.services.paging import encode_key
from labq.services.visibility import ANONYMOUS, Viewer
from tests.integration.web_site import Person, Site

FILTERS = (
    JobFilter(),
    JobFilter(device_type="shell"),
    JobFilter(device_type="shell", name="even"),
    JobFilter(tags=("usb",)),
    JobFilter(tags=("usb",), name="even"),
    JobFilter(submitter="ann"),
)


@pytest.mark.parametrize("most_arms", [job_query.MOST_ARMS, 1])
def test_pages_upward_are_the_ones_downward(
    site: Site, ann: Person, bob: Person, monkeypatch: pytest.MonkeyPatch, most_arms: int
) -> None:
    monkeypatch.setattr(job_query, "MOST_ARMS", most_arms)
    group = site.group("kernel", ann)
    for number in range(12):
        site.job(
            ann,
            name="odd" if number % 2 else "even",
            tags=["usb"] if number % 3 else [],
            viewing_groups=None if number % 4 else [group],
        )
    viewers = (
        ANONYMOUS,
        Viewer(user_id=ann.id, name="ann"),
        Viewer(user_id=bob.id, name="bob", groups=(group,)),
        Viewer(user_id=bob.id, name="bob", is_admin=True),
    )
    with Session(site.engine) as session:
        for viewer in viewers:
            for wanted in FILTERS:
                every = [job.id for job in job_list.find_page(session, viewer, wanted).items]
                assert upward(session, viewer, wanted, every[-1]) == every[:-1], (viewer, wanted)


def upward(session: Session, viewer: Viewer, wanted: JobFilter, last: int) -> list[int]:
    """Return the jobs above one, read three by three."""
    found: list[int] = []
    key: str | None = encode_key(last)
    while key is not None:
        page = job_list.find_newer_page(session, viewer, wanted, before=key, limit=3)
        assert len(page.items) <= 3
        found = [*(job.id for job in page.items), *found]
        key = page.next
    return found
