"""The log of a job over the API."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.config import Settings
from labq.models.run import Run
from labq.services import tickets
from tests.integration.web_site import Person, Site

LINES = [b'- {"dt": "x", "lvl": "target", "msg": "line %d"}\n' % number for number in range(50)]
LOG = b"".join(LINES)


@pytest.fixture
def job(site: Site, settings: Settings, ann: Person) -> int:
    """Return a job with a stored log, of which the last bytes are not stored yet."""
    job, run = site.finished_job(ann, site.device())
    writer = Logs(settings.blobs).writer(run)
    writer.write(0, LOG + b"not told yet", 0)
    writer.sync()
    writer.close()
    site.log(run, len(LOG), len(LINES))
    return job


def test_bytes_come_by_offset_and_headers_say_how_much_there_is(site: Site, job: int) -> None:
    answer = site.get(f"/jobs/{job}/log?offset=10&limit=20")
    assert answer.data == LOG[10:30]
    assert answer.mimetype == "text/plain"
    assert answer.headers["Labq-Log-Length"] == str(len(LOG))
    assert answer.headers["Labq-Log-Lines"] == "50"
    assert answer.headers["Labq-Log-Complete"] == "true"
    assert site.get(f"/jobs/{job}/log").data == LOG
    assert site.get(f"/jobs/{job}/log?offset={len(LOG)}").data == b""
    assert site.get(f"/jobs/{job}/log?offset={2**63 - 1}").data == b""


def test_lines_come_by_number(site: Site, job: int) -> None:
    found = site.get(f"/jobs/{job}/log?format=lines&start=3&end=5").json
    assert [each["msg"] for each in found] == ["line 3", "line 4"]
    assert len(site.get(f"/jobs/{job}/log?format=lines").json) == 50
    assert site.get(f"/jobs/{job}/log?format=lines&start=50").json == []
    assert site.get(f"/jobs/{job}/log?format=lines&start=5&end=3").json == []


def test_the_whole_log_is_downloaded_as_a_file(site: Site, job: int) -> None:
    answer = site.get(f"/jobs/{job}/log/raw")
    assert answer.data == LOG
    assert answer.headers["Content-Length"] == str(len(LOG))
    assert f"job-{job}" in answer.headers["Content-Disposition"]


def test_a_packed_log_reads_the_same(site: Site, settings: Settings, job: int) -> None:
    with Session(site.engine) as session:
        run = session.query(Run.id).filter_by(job_id=job).scalar()
    Logs(settings.blobs).pack(run, len(LOG))
    assert site.get(f"/jobs/{job}/log?offset=10&limit=20").data == LOG[10:30]
    assert site.get(f"/jobs/{job}/log/raw").data == LOG
    assert site.get(f"/jobs/{job}/log?format=lines&start=49").json[0]["msg"] == "line 49"


def test_a_waiting_job_has_an_empty_log(site: Site, ann: Person) -> None:
    job = site.job(ann)
    answer = site.get(f"/jobs/{job}/log")
    assert answer.data == b""
    assert answer.headers["Labq-Log-Complete"] == "false"
    assert site.get(f"/jobs/{job}/log?format=lines").json == []
    assert site.get(f"/jobs/{job}/log/raw").data == b""


@pytest.mark.parametrize(
    "query", ["offset=-1", "limit=0", "limit=99999999", "format=xml", "start=x", f"end={2**63}"]
)
def test_a_part_that_cannot_be_is_refused(site: Site, job: int, query: str) -> None:
    assert site.get(f"/jobs/{job}/log?{query}").status_code == 400


def test_following_is_handed_on_with_a_ticket_for_this_job(
    site: Site, settings: Settings, job: int
) -> None:
    answer = site.get(f"/jobs/{job}/log/live?offset=7")
    assert answer.status_code == 307
    url = urlsplit(answer.headers["Location"])
    assert url.netloc == f"localhost:{settings.stream_port}"
    assert url.path == f"/jobs/{job}/log"
    query = parse_qs(url.query)
    assert query["offset"] == ["7"]
    ticket = tickets.redeem(settings.secret_key, query["ticket"][0], tickets.job_subject(job))
    assert (ticket.user_id, ticket.origin) == (None, "http://localhost")


def test_events_are_handed_on_with_a_ticket_for_their_reader(
    site: Site, settings: Settings, ann: Person
) -> None:
    url = urlsplit(site.get("/events", ann).headers["Location"])
    ticket = parse_qs(url.query)["ticket"][0]
    assert tickets.redeem(settings.secret_key, ticket, tickets.EVENTS).user_id == ann.id
