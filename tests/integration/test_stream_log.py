"""Logs and changes over the stream process, run as it runs in production."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.config import Settings
from labq.domain.states import JobState, Outcome
from labq.models.job import Job
from labq.models.partition import day_of
from labq.models.run import Run, RunLog
from labq.services import partitions, tickets
from labq.services.tickets import Ticket
from tests.integration.web_site import Person, Site

LIMIT_SECONDS = 20.0


@dataclass(frozen=True)
class Event:
    name: str
    id: str
    data: str


def events_of(lines: Iterator[str]) -> Iterator[Event]:
    name, identity, data = "", "", list[str]()
    for line in lines:
        field, _, value = line.partition(": ")
        if not line and data:
            yield Event(name, identity, "\n".join(data))
            data = []
        elif field == "event":
            name = value
        elif field == "id":
            identity = value
        elif field == "data":
            data.append(value)


def eventually(found: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + LIMIT_SECONDS
    while not found():
        assert process.poll() is None, "the stream process ended"
        assert time.monotonic() < limit
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Stream:
    """A stream process, and the writer of logs beside it."""

    settings: Settings
    site: Site
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.stream_port}"

    def ticket(self, subject: str, person: Person | None = None) -> str:
        ticket = Ticket(
            subject=subject, user_id=person.id if person else None, origin="http://lab.example"
        )
        return tickets.issue(self.settings.secret_key, ticket)

    def log_url(self, job: int, offset: int = 0) -> str:
        ticket = self.ticket(tickets.job_subject(job))
        return f"{self.url}/jobs/{job}/log?ticket={ticket}&offset={offset}"

    def append(self, run: int, data: bytes) -> int:
        """Store and tell as the server does; return the new length."""
        with Session(self.site.engine) as session, session.begin():
            day = day_of(session.get_one(Job, session.get_one(Run, run).job_id).submitted_at)
            partitions.ensure(session.connection(), day, day)
            row = session.get(RunLog, (run, day)) or RunLog(
                run_id=run, submitted_on=day, bytes=0, lines=0
            )
            session.add(row)
            writer = Logs(self.settings.blobs).writer(run)
            row.lines += writer.write(row.bytes, data, row.lines)
            writer.sync()
            writer.close()
            row.bytes += len(data)
            told = {"payload": f"{run}:{row.bytes}"}
            session.execute(text("SELECT pg_notify('labq_log', :payload)"), told)
            return row.bytes

    def cut_database(self) -> None:
        """End the connections of the stream process from the database's side."""
        self.site.change(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'labq stream %'"
        )

    def finish(self, job: int) -> None:
        with Session(self.site.engine) as session, session.begin():
            row = session.get_one(Job, job)
            row.state, row.outcome, row.ended_at = (
                JobState.FINISHED,
                Outcome.COMPLETE,
                datetime.now(UTC),
            )
            session.execute(text("SELECT pg_notify('labq_job', :id)"), {"id": str(job)})


@pytest.fixture
def stream(site: Site, settings: Settings) -> Iterator[Stream]:
    """Return a running stream process."""
    chosen = replace_port(settings)
    environment = {
        **os.environ,
        "LABQ_STATE": str(chosen.state),
        "LABQ_DATABASE_URL": chosen.database_url,
        "LABQ_REDIS_URL": chosen.redis_url,
        "LABQ_SECRET_KEY": chosen.secret_key,
        "LABQ_STREAM_PORT": str(chosen.stream_port),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", "from labq.stream.serve import main; main()"], env=environment
    )
    try:
        eventually(lambda: is_open(chosen.stream_port), process)
        yield Stream(chosen, site, process)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


def replace_port(settings: Settings) -> Settings:
    return settings.model_copy(update={"stream_port": free_port()})


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def running(site: Site, ann: Person) -> tuple[int, int]:
    """Return a job at work and its run."""
    job, run = site.finished_job(ann, site.device())
    with Session(site.engine) as session, session.begin():
        row = session.get_one(Job, job)
        row.state, row.outcome, row.ended_at = JobState.RUNNING, None, None
    return job, run


def line(number: int) -> bytes:
    return b'- {"dt": "2026-11-20T09:00:00", "lvl": "target", "msg": "line %d"}\n' % number


def numbers(events: list[Event]) -> list[int]:
    lines = "\n".join(event.data for event in events if event.name == "lines").split("\n")
    return [int(json.loads(each[2:])["msg"].split()[1]) for each in lines if each]


def test_a_follower_gets_each_line_once_and_then_the_end(
    stream: Stream, running: tuple[int, int]
) -> None:
    job, run = running
    stream.append(run, line(0) + line(1))
    with httpx.stream("GET", stream.log_url(job), timeout=LIMIT_SECONDS) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "http://lab.example"
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = events_of(answer.iter_lines())
        first = next(events)
        assert numbers([first]) == [0, 1]
        length = stream.append(run, line(2) + line(3)[:20])
        assert numbers([next(events)]) == [2]
        stream.append(run, line(3)[20:])
        assert numbers([next(events)]) == [3]
        stream.finish(job)
        last = list(events)
    assert [event.name for event in last] == ["end"]
    assert length < int(last[0].id) == 4 * len(line(0))


def test_a_returning_follower_goes_on_where_it_was(
    stream: Stream, running: tuple[int, int]
) -> None:
    job, run = running
    stream.append(run, b"".join(line(number) for number in range(9)))
    stream.finish(job)
    headers = {"Last-Event-ID": str(len(line(0)) * 4)}
    answer = httpx.get(stream.log_url(job), headers=headers, timeout=LIMIT_SECONDS)
    events = list(events_of(iter(answer.text.split("\n"))))
    assert numbers(events) == [4, 5, 6, 7, 8]
    answer = httpx.get(stream.log_url(job, len(line(0)) * 8), timeout=LIMIT_SECONDS)
    assert numbers(list(events_of(iter(answer.text.split("\n"))))) == [8]


def test_a_follower_is_told_of_a_further_run_and_gets_its_log_from_the_beginning(
    stream: Stream, running: tuple[int, int], site: Site
) -> None:
    job, run = running
    stream.append(run, line(0) + line(1) + line(2))
    with httpx.stream("GET", stream.log_url(job), timeout=LIMIT_SECONDS) as answer:
        events = events_of(answer.iter_lines())
        assert numbers([next(events)]) == [0, 1, 2]
        with Session(site.engine) as session, session.begin():
            old = session.get_one(Run, run)
            further = Run(
                job_id=job,
                number=2,
                device_id=old.device_id,
                host=old.host,
                state=old.state,
                epoch=1,
                next=0,
                reserved_at=old.reserved_at,
            )
            session.add(further)
            session.flush()
            session.get_one(Job, job).run_id = second = further.id
            session.execute(text("SELECT pg_notify('labq_job', :id)"), {"id": str(job)})
        told = next(events)
        assert (told.name, told.id, told.data) == ("run", "0", str(second))
        stream.append(second, line(7))
        assert numbers([next(events)]) == [7]
        stream.finish(job)
        assert [event.name for event in events] == ["end"]


def test_a_job_without_a_run_is_waited_for(stream: Stream, site: Site, ann: Person) -> None:
    job = site.job(ann)
    with httpx.stream("GET", stream.log_url(job), timeout=LIMIT_SECONDS) as answer:
        other, run = site.finished_job(ann, site.device())
        with Session(site.engine) as session, session.begin():
            session.get_one(Run, run).job_id = job
            session.get_one(Job, other).run_id = None
            session.get_one(Job, job).run_id = run
            session.execute(text("SELECT pg_notify('labq_job', :id)"), {"id": str(job)})
        stream.append(run, line(7))
        assert numbers([next(events_of(answer.iter_lines()))]) == [7]


def test_a_log_larger_than_a_frame_arrives_whole(stream: Stream, running: tuple[int, int]) -> None:
    job, run = running
    count = 30_000
    long = b'- {"dt": "x", "lvl": "target", "msg": "line %d %s"}\n' % (count, b"y" * 900_000)
    stream.append(run, b"".join(line(number) for number in range(count)) + long)
    stream.finish(job)
    answer = httpx.get(stream.log_url(job), timeout=LIMIT_SECONDS)
    events = list(events_of(iter(answer.text.split("\n"))))
    assert numbers(events) == list(range(count + 1))


def test_what_a_host_sent_cannot_forge_events(stream: Stream, running: tuple[int, int]) -> None:
    job, run = running
    stream.append(run, b"nonsense\revent: end\rdata: x\n\n\xff\xfe\n" + line(1))
    stream.finish(job)
    answer = httpx.get(stream.log_url(job), timeout=LIMIT_SECONDS)
    events = list(events_of(iter(answer.text.split("\n"))))
    assert [event.name for event in events] == ["lines", "end"]
    assert "line 1" in events[0].data
    assert "\r" not in answer.text


def test_a_hundred_followers_all_get_all(stream: Stream, running: tuple[int, int]) -> None:
    job, run = running
    results: list[list[int]] = []

    def follow() -> None:
        answer = httpx.get(stream.log_url(job), timeout=LIMIT_SECONDS * 3)
        results.append(numbers(list(events_of(iter(answer.text.split("\n"))))))

    threads = [threading.Thread(target=follow) for _ in range(100)]
    for thread in threads:
        thread.start()
    for start in range(0, 1000, 100):
        stream.append(run, b"".join(line(number) for number in range(start, start + 100)))
    stream.finish(job)
    for thread in threads:
        thread.join(LIMIT_SECONDS * 3)
    assert results == [list(range(1000))] * 100


def test_following_goes_on_when_the_database_comes_back(
    stream: Stream, running: tuple[int, int]
) -> None:
    job, run = running
    stream.append(run, line(0))
    with httpx.stream("GET", stream.log_url(job), timeout=LIMIT_SECONDS) as answer:
        events = events_of(answer.iter_lines())
        assert numbers([next(events)]) == [0]
        stream.cut_database()
        stream.append(run, line(1))
        assert numbers([next(events)]) == [1]


def test_changes_are_told_again_when_the_database_comes_back(
    stream: Stream, site: Site, ann: Person
) -> None:
    job = site.job(ann)
    url = f"{stream.url}/events?ticket={stream.ticket(tickets.EVENTS, ann)}"
    with httpx.stream("GET", url, timeout=LIMIT_SECONDS) as answer:
        events = events_of(answer.iter_lines())
        assert next(events).name == "ready"
        stream.cut_database()
        assert next(events).name == "gap"
        site.change(f"SELECT pg_notify('labq_job', '{job}')")
        assert json.loads(next(events).data)["id"] == job


@pytest.mark.parametrize("ticket", ["", "x", "WyJqb2I6MSJd.aaaa.bbbb"])
def test_no_one_follows_without_a_good_ticket(stream: Stream, ticket: str) -> None:
    for path in ("/jobs/1/log", "/events"):
        answer = httpx.get(f"{stream.url}{path}?ticket={ticket}")
        assert answer.status_code == 401
        assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_a_ticket_is_for_one_thing_alone(stream: Stream, running: tuple[int, int]) -> None:
    job, _ = running
    for subject in (tickets.EVENTS, tickets.job_subject(job + 1)):
        ticket = stream.ticket(subject)
        assert httpx.get(f"{stream.url}/jobs/{job}/log?ticket={ticket}").status_code == 401


def test_bad_requests_are_told_so(stream: Stream, running: tuple[int, int]) -> None:
    job, _ = running
    ticket = stream.ticket(tickets.job_subject(job))
    answer = httpx.get(f"{stream.url}/jobs/{job}/log?ticket={ticket}&offset=x")
    assert answer.status_code == 400
    answer = httpx.get(stream.log_url(job), headers={"Last-Event-ID": "-1"})
    assert answer.status_code == 400
    assert httpx.get(stream.log_url(999_999)).status_code == 404
    assert httpx.get(f"{stream.url}/nowhere").status_code == 404


def test_changes_reach_those_who_may_see_them(
    stream: Stream, site: Site, ann: Person, bob: Person
) -> None:
    public = site.job(ann)
    hidden = site.job(ann, viewing_groups=[])

    def first_of(person: Person) -> list[dict[str, Any]]:
        url = f"{stream.url}/events?ticket={stream.ticket(tickets.EVENTS, person)}"
        with httpx.stream("GET", url, timeout=LIMIT_SECONDS) as answer:
            events = events_of(answer.iter_lines())
            assert next(events).name == "ready"
            with Session(site.engine) as session, session.begin():
                for job in (hidden, public):
                    session.execute(text("SELECT pg_notify('labq_job', :id)"), {"id": str(job)})
            found = []
            while not found or found[-1]["id"] != public:
                event = next(events)
                assert event.name == "job"
                found.append(json.loads(event.data))
            return found

    assert {each["id"] for each in first_of(ann)} <= {public, hidden}
    (seen,) = first_of(bob)
    assert (seen["id"], seen["state"], seen["submitter"]) == (public, "submitted", "ann")


def test_the_web_process_sends_a_follower_there(
    stream: Stream, running: tuple[int, int], ann: Person
) -> None:
    job, run = running
    stream.append(run, line(0))
    stream.finish(job)
    answer = stream.site.get(f"/jobs/{job}/log/live?offset=0", ann)
    assert answer.status_code == 307
    location = answer.headers["Location"].replace("localhost:8481", stream.url.split("//")[1])
    events = list(events_of(iter(httpx.get(location, timeout=LIMIT_SECONDS).text.split("\n"))))
    assert numbers(events) == [0]
