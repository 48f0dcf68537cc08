"""A host that sends garbage is marked where people look at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from labq.models.control import Refusal
from labq.services import refusals
from labq.services.refusals import Refused
from tests.integration.web_site import Person, Site

BAD = Refused("{nul \0}", "case: has a NUL character", entries=7)


def test_a_host_that_sends_garbage_is_marked_on_api_and_page(site: Site, admin: Person) -> None:
    site.device()
    with Session(site.engine) as session, session.begin():
        refusals.note(session, "rack", [BAD, BAD], datetime.now(UTC))
        refusals.note(session, "rack", [BAD], datetime.now(UTC))
    (host,) = site.get("/hosts", admin).json["items"]
    assert (host["refused"], host["refused_reason"]) == (21, "case: has a NUL character")
    expected = "it sends garbage: 21 entries were refused so far"
    assert any(expected in warning for warning in host["warnings"])
    assert site.get("/hosts/rack", admin).json["refused"] == 21
    assert expected in site.client.get("/hosts").text
    assert "21 entries that hosts sent were refused" in site.client.get("/").text


def test_a_host_that_was_well_for_a_day_is_not_marked_any_more(site: Site, admin: Person) -> None:
    site.device()
    site.add(
        Refusal(host="rack", entries=3, reason="old", at=datetime.now(UTC) - timedelta(days=2))
    )
    host = site.get("/hosts/rack", admin).json
    assert (host["refused"], host["refused_reason"]) == (3, "old")
    assert not any("garbage" in warning for warning in host["warnings"])


def test_a_host_that_behaves_shows_nothing_refused(site: Site, admin: Person) -> None:
    site.device()
    host = site.get("/hosts/rack", admin).json
    assert (host["refused"], host["refused_reason"], host["refused_at"]) == (0, "", None)
