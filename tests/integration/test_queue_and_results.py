"""The queue and results of all jobs: pages and API."""

from __future__ import annotations

from html import unescape

import pytest

from tests.integration.web_site import Person, Site


def link(page: str, label: str) -> str:
    """Return where a link of this label leads."""
    return unescape(
        page.split(f">{label}</a>", maxsplit=1)[0].rsplit('href="', 1)[1].split('"', maxsplit=1)[0]
    )


def test_waiting_jobs_are_listed_in_the_order_in_which_they_get_devices(
    site: Site, ann: Person, bob: Person
) -> None:
    site.device()
    late = site.job(ann, priority=10)
    hidden = site.job(ann, priority=90)
    site.hide(hidden, site.group("kernel", ann))
    first = site.job(ann, tags=["usb"])
    second = site.job(ann, wanted_host="attic")
    listed = site.get("/queue/shell", bob).json["items"]
    assert [(job["position"], job["id"]) for job in listed] == [(2, first), (3, second), (4, late)]
    assert [job["waits_for"] for job in listed] == [
        "a device of type shell, tag usb: there is none",
        "a device of type shell, host attic: there is none",
        "its turn: an idle device fits",
    ]
    assert site.get("/queue/shell", ann).json["items"][0]["id"] == hidden
    (kind,) = site.get("/queue").json
    assert (kind["waiting"], kind["active"], kind["idle"]) == (4, 0, 1)


def test_the_queue_is_paged_by_key(site: Site, ann: Person) -> None:
    site.device()
    for number in range(27):
        site.job(ann, name=f"number {number}", priority=number // 10)
    first = site.client.get("/queue").text
    assert "Waiting for shell" in first
    assert "number 26" in first
    second = site.client.get(link(first, "Next")).text
    assert '<td data-label="Position">27</td>' in second
    assert "number 9<" in second
    assert "number 26" not in second


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/queue/nothing", 404),
        ("/queue/%F0%9F%A4%96", 404),
        ("/queue/%00", 404),
        ("/queue/shell?after=bjUwLzE", 200),
        ("/queue/shell?after=bjUw", 400),
        ("/queue/shell?after=bjk5OS8x", 400),
        ("/queue/shell?limit=1000000000", 400),
    ],
)
def test_bad_requests_for_the_queue_are_refused(site: Site, path: str, status: int) -> None:
    site.device()
    assert site.get(path).status_code == status


def test_what_blocks_devices_is_named(site: Site, ann: Person) -> None:
    site.device()
    site.job(ann)
    site.change("UPDATE host SET health = 'maintenance'")
    page = site.client.get("/queue?type=shell").text
    assert "board-1 is on host rack, which is in maintenance" in page
    site.change("UPDATE device SET health = 'looping'")
    assert "board-1 is looping" in site.client.get("/queue?type=shell").text


def test_results_show_failures_first_and_every_case_of_a_name(site: Site, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device())
    hidden, _ = site.finished_job(ann, site.device("board-2"))
    site.hide(hidden, site.group("kernel", ann))
    failed = site.client.get("/results?days=365").text
    assert "second" in failed
    assert f"/jobs/{job}/results" in failed
    assert f"/jobs/{hidden}/results" not in failed
    named = site.client.get(link(failed, "second")).text
    assert f"/jobs/{job}/results" in named
    assert len(named) < 30_000


def test_a_search_for_results_that_no_index_answers_is_refused_with_words(site: Site) -> None:
    answer = site.client.get("/results?verdict=pass&suite=x")
    assert answer.status_code == 400
    assert "nothing else is indexed" in answer.text
    for query in ("name=%00", "days=1000000000", "after=bjE", "verdict=maybe", "colour=red"):
        assert site.client.get(f"/results?{query}").status_code == 400, query
    assert site.client.get("/results?name=🤖").status_code == 200


def test_pages_of_devices_types_and_hosts_show_kept_counts_and_the_latest_jobs(
    site: Site, ann: Person
) -> None:
    job, _ = site.finished_job(ann, site.device())
    hidden, _ = site.finished_job(ann, site.device("board-2"))
    site.hide(hidden, site.group("kernel", ann))
    site.change(
        "INSERT INTO job_count (subject, name, outcome, jobs, gone, last_ended_at)"
        " VALUES ('device', 'board-1', 'complete', 12345, 0, now()),"
        " ('device_type', 'shell', 'incomplete', 7, 0, now()), ('host', 'rack', 'canceled', 8, 0, now())"
    )
    pages = {
        "/devices/board-1": ("12,345 complete", "device=board-1&amp;outcome=complete"),
        "/device-types/shell": ("7 incomplete", "device_type=shell&amp;outcome=incomplete"),
        "/hosts/rack": ("8 canceled", "host=rack&amp;outcome=canceled"),
    }
    for path, words in pages.items():
        page = site.client.get(path)
        assert all(word in page.text for word in (*words, f'href="/jobs/{job}"')), path
        assert f'href="/jobs/{hidden}"' not in page.text
        assert len(page.data) < 30_000
    assert site.client.get("/hosts/nowhere").status_code == 404
