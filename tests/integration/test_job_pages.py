"""The pages that list jobs, the queue and results."""

from __future__ import annotations

from html import unescape

import pytest

from tests.integration.web_site import Person, Site


def link(page: str, label: str) -> str:
    """Return where a link of this label leads."""
    return unescape(
        page.split(f">{label}</a>", maxsplit=1)[0].rsplit('href="', 1)[1].split('"', maxsplit=1)[0]
    )


def test_the_list_has_25_rows_and_stays_small(site: Site, ann: Person) -> None:
    for number in range(27):
        site.job(ann, name=f"<b>job</b> number {number}")
    answer = site.client.get("/jobs")
    assert answer.text.count("<tr>") == 1 + 25 + 17
    assert len(answer.data) < 30_000
    assert "<b>job" not in answer.text
    assert "Submitted in the last 14 days" in answer.text


def test_links_keep_the_search(site: Site, ann: Person) -> None:
    for number in range(27):
        site.job(ann, name=f'a "b" & {number}')
    site.job(ann, name="elsewhere")
    first = site.client.get("/jobs", query_string={"q": '"a ""b"" &" type:shell'}).text
    assert "elsewhere" not in first
    older = site.client.get(link(first, "Older")).text
    assert "&amp; 0<" in older
    assert "&amp; 26<" not in older
    assert "&amp; 26<" in site.client.get(link(older, "Newest")).text
    newer = site.client.get(link(older, "Newer")).text
    assert "&amp; 26<" in newer
    assert "&amp; 1<" not in newer
    assert ">Newer</a>" not in newer
    assert "&amp; 0<" in site.client.get(link(newer, "Older")).text
    counted = site.client.get(link(first, "How many?")).text
    assert "27 jobs" in counted
    assert "Of all times" in site.client.get(link(first, "all")).text


def test_fields_of_links_become_terms_of_the_search(site: Site, ann: Person) -> None:
    site.job(ann, name="one")
    page = site.client.get("/jobs?name=two+words&device_type=shell&state=submitted&mine=1").text
    assert 'value="name:&#34;two words&#34; state:submitted type:shell"' in page


def test_a_bad_search_is_shown_with_what_is_wrong(site: Site, ann: Person) -> None:
    site.job(ann, name="never mind")
    answer = site.client.get("/jobs", query_string={"q": "colour:<b> since:soon"})
    assert answer.status_code == 400
    assert "&#39;colour:&lt;b&gt;&#39; at character 1" in answer.text
    assert "at character 12" in answer.text
    assert 'value="colour:&lt;b&gt; since:soon"' in answer.text
    assert "never mind" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "q=%00",
        "after=%00",
        "after=bm9uZQ",
        "colour=red",
        "after=🤖",
        "before=bm9uZQ",
        "after=aTE&before=aTE",
    ],
)
def test_bad_requests_for_the_list_are_refused(site: Site, query: str) -> None:
    assert site.client.get(f"/jobs?{query}").status_code == 400


def test_a_page_key_of_another_user_shows_what_one_sees_oneself(
    site: Site, ann: Person, bob: Person
) -> None:
    site.job(ann, name="public")
    group = site.group("kernel", ann)
    for _ in range(3):
        site.hide(site.job(ann, name="hidden"), group)
    key = site.get("/jobs?limit=2", ann).json["next"]
    page = site.client.get(f"/jobs?after={key}").text
    assert "public" in page
    assert "hidden" not in page


def test_a_list_that_takes_too_long_says_so_and_the_rest_of_the_page_stays(
    site: Site, ann: Person
) -> None:
    site.job(ann, name="never mind")
    with site.engine.connect() as holder:
        holder.exec_driver_sql("LOCK TABLE job IN ACCESS EXCLUSIVE MODE")
        answer = site.client.get("/jobs?q=type:shell")
    assert answer.status_code == 200
    assert "could not be loaded in time" in answer.text
    assert 'value="type:shell"' in answer.text
