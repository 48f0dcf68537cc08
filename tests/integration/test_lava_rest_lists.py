"""LAVA's REST lists of jobs: whatever is asked, page by page, against all jobs looked at one by one."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.models.base import table_of
from labq.models.job import Job, JobDefinition, JobLabel
from labq.models.rollup import BLOCK, CountDelta
from labq.services import audience_counts, audiences, rollups, tags
from tests.integration.web_site import START, Person, Site

API = "/api/v0.2/"
TYPES = ("qemu", "rk3399", "x15")
BRANCHES = ("main", "stable", "Next")
JOBS = 90


@dataclass(frozen=True, slots=True)
class Made:
    """A job as the test knows it; `groups` None is everybody."""

    id: int
    owner: str
    groups: tuple[str, ...] | None
    device_type: str
    state: str
    outcome: str | None
    priority: int
    name: str
    branch: str
    tags: tuple[str, ...]
    minute: int


@dataclass(frozen=True, slots=True)
class Lab:
    """Jobs, those who ask, and their groups."""

    site: Site
    people: dict[str, Person]
    jobs: tuple[Made, ...]

    def ask(self, who: str, address: str) -> Any:
        person = self.people.get(who)
        headers = person.headers if person else {}
        return self.site.client.get(address, headers=headers)

    def sees(self, who: str, job: Made) -> bool:
        if who == "boss" or job.groups is None:
            return True
        if who not in self.people:
            return False
        mine = MEMBERS.get(who, set())
        return job.owner == who or (bool(job.groups) and mine.issuperset(job.groups))


MEMBERS = {"ann": {"red", "blue"}, "bob": {"red"}}
RULES: tuple[tuple[str, ...] | None, ...] = (None, None, (), ("red",), ("red", "blue"), ("green",))


@pytest.fixture
def lab(site: Site) -> Lab:
    people = {name: site.person(name, is_admin=name == "boss") for name in ("ann", "bob", "boss")}
    groups = {
        name: site.group(name, *(people[who] for who in people if name in MEMBERS.get(who, ())))
        for name in ("red", "blue", "green")
    }
    chance = random.Random(7)
    jobs, number = [], 1
    for kind in TYPES:
        site.device(f"board-{kind}", kind)
    with Session(site.engine) as session, session.begin():
        tags.ensure(session, ["usb", "eth"])
        for place in range(JOBS):
            number += chance.choice((1, 2, BLOCK // 3, BLOCK * 2))
            jobs.append(_job(chance, number, place))
            _insert(session, jobs[-1], people, groups)
        audience_counts.recount(session)
        # The last ones are in no count but those that are not folded yet.
        rollups.jobs_restored(session, _late(session, jobs, people, groups, chance, number))
    return Lab(site, people, tuple(jobs))


def _late(
    session: Session,
    jobs: list[Made],
    people: dict[str, Person],
    groups: dict[str, int],
    chance: random.Random,
    number: int,
) -> list[int]:
    added = []
    for place in range(JOBS, JOBS + 5):
        number += BLOCK
        job = _job(chance, number, place, state="finished")
        _insert(session, job, people, groups)
        jobs.append(job)
        added.append(job.id)
    return added


def _job(chance: random.Random, number: int, place: int, state: str = "") -> Made:
    chosen = state or chance.choice(["submitted", "running", "finished", "finished", "finished"])
    is_over = chosen == "finished"
    return Made(
        id=number,
        owner=chance.choice(["ann", "bob", "boss"]),
        groups=chance.choice(RULES),
        device_type=chance.choice(TYPES),
        state=chosen,
        outcome=chance.choice([one.value for one in Outcome]) if is_over else None,
        priority=chance.choice([0, 50, 100]),
        name=chance.choice(["boot", "LTP", "100%_done"]),
        branch=chance.choice(BRANCHES),
        tags=chance.choice([(), ("usb",), ("usb", "eth")]),
        minute=place,
    )


def _insert(session: Session, job: Made, people: dict[str, Person], groups: dict[str, int]) -> None:
    owner = people[job.owner].id
    named = None if job.groups is None else [groups[name] for name in job.groups]
    audience = audiences.choose(session, named, owner)
    moment = START + timedelta(minutes=job.minute)
    is_over = job.outcome is not None
    row = {
        "id": job.id,
        "name": job.name,
        "submitter_id": owner,
        "device_type": job.device_type,
        "tags": list(job.tags),
        "priority": job.priority,
        "audience_id": audience,
        "state": JobState(job.state),
        "outcome": Outcome(job.outcome) if job.outcome else None,
        "error_type": ErrorType.JOB if job.outcome == "incomplete" else None,
        "submitted_at": moment,
        "started_at": moment if is_over or job.state == "running" else None,
        "ended_at": moment if is_over else None,
    }
    session.execute(insert(table_of(Job)), [row])
    metadata = {"branch": job.branch, "build": {"id": str(job.minute % 5)}}
    definition = {"job_id": job.id, "definition": f"job_name: {job.name}\n", "metadata": metadata}
    session.execute(insert(table_of(JobDefinition)), [definition])
    labels = [("meta.branch", job.branch), *(("tag", tag) for tag in job.tags)]
    session.execute(
        insert(table_of(JobLabel)),
        [
            {"name": name, "value": value, "job_id": job.id, "audience_id": audience}
            for name, value in labels
        ],
    )


ASKED: dict[str, Callable[[Made], bool]] = {
    "": lambda _job: True,
    "state=Submitted&requested_device_type=qemu": lambda job: (
        job.state == "submitted" and job.device_type == "qemu"
    ),
    "state=Finished": lambda job: job.state == "finished",
    "state=Scheduling": lambda _job: False,
    "state__in=Running,Finished": lambda job: job.state in {"running", "finished"},
    "health=Unknown": lambda job: job.outcome is None,
    "health__in=Unknown,Complete": lambda job: job.outcome in {None, "complete"},
    "health=Incomplete": lambda job: job.outcome == "incomplete",
    "health__in=Complete,Canceled": lambda job: job.outcome in {"complete", "canceled"},
    "requested_device_type=qemu": lambda job: job.device_type == "qemu",
    "health=Incomplete&state=Finished&requested_device_type__in=x15,qemu": lambda job: (
        job.outcome == "incomplete" and job.device_type in {"x15", "qemu"}
    ),
    "requested_device_type=rk3399": lambda job: job.device_type == "rk3399",
    "requested_device_type=none": lambda _job: False,
    "requested_device_type__name__startswith=r": lambda job: job.device_type == "rk3399",
    "requested_device_type__name__icontains=X": lambda job: job.device_type == "x15",
    "submitter__username=ann": lambda job: job.owner == "ann",
    "submitter__username__in=ann,bob&state=Submitted": lambda job: (
        job.owner in {"ann", "bob"} and job.state == "submitted"
    ),
    "tags__name=eth": lambda job: "eth" in job.tags,
    "tags__name=eth&health=Complete": lambda job: "eth" in job.tags and job.outcome == "complete",
    "metadata__branch=main": lambda job: job.branch == "main",
    "metadata__branch=main&requested_device_type=qemu": lambda job: (
        job.branch == "main" and job.device_type == "qemu"
    ),
    "metadata__branch__istartswith=ne": lambda job: job.branch == "Next",
    "metadata__branch__in=main,stable": lambda job: job.branch in {"main", "stable"},
    "metadata__build__id=3": lambda job: job.minute % 5 == 3,
    'metadata__contains={"build":{"id":"2"}}': lambda job: job.minute % 5 == 2,
    "metadata__has_key=nothing": lambda _job: False,
    "metadata__branch__isnull=false": lambda _job: True,
    "description__contains=%25": lambda job: "%" in job.name,
    "description__endswith=_done": lambda job: job.name.endswith("_done"),
    "description__iexact=ltp": lambda job: job.name == "LTP",
    "priority__lt=50": lambda job: job.priority < 50,
    "priority__gte=50&priority__in=50,100": lambda job: job.priority >= 50,
    f"submit_time__gt={START + timedelta(minutes=40):%Y-%m-%dT%H:%M:%SZ}": lambda job: (
        job.minute > 40
    ),
    f"end_time__lt={START + timedelta(minutes=20):%Y-%m-%dT%H:%M:%S}%2B00:00": lambda job: (
        job.outcome is not None and job.minute < 20
    ),
    "start_time__isnull=true": lambda job: job.state == "submitted",
    "end_time__isnull=False&health_check=false": lambda job: job.outcome is not None,
    "definition__contains=LTP": lambda job: job.name == "LTP",
    "failure_comment__isnull=true": lambda _job: True,
    "failure_comment__contains=x": lambda _job: False,
    "no_such_field=1&state__regex=x": lambda _job: True,
}
VIEWERS = ("", "ann", "bob", "boss")


def test_every_filter_finds_all_jobs_that_the_viewer_sees_and_counts_them(lab: Lab) -> None:
    for who, (query, fits) in product(VIEWERS, ASKED.items()):
        expected = [
            job.id
            for job in sorted(lab.jobs, key=lambda job: -job.id)
            if lab.sees(who, job) and fits(job)
        ]
        answer = lab.ask(who, f"{API}jobs/?{query}&limit=1000")
        assert answer.status_code == 200, f"{query}: {answer.text}"
        assert [job["id"] for job in answer.json["results"]] == expected, f"{query} for {who}"
        assert answer.json["count"] == len(expected), f"{query} for {who}"
        assert answer.json["next"] is answer.json["previous"] is None
        # A page that is not full says itself how many there are; this one has them counted.
        assert lab.ask(who, f"{API}jobs/?{query}&limit=1").json["count"] == len(expected), query


PAGED: tuple[tuple[str, Callable[[Made], int]], ...] = (
    ("", lambda job: -job.id),
    ("ordering=id", lambda job: job.id),
    ("ordering=id&state=Finished", lambda job: job.id),
    ("health__in=Complete,Canceled", lambda job: -job.id),
    ("requested_device_type=qemu", lambda job: -job.id),
    ("ordering=submit_time", lambda job: job.minute),
    ("ordering=-submit_time,id", lambda job: -job.minute),
    ("ordering=no_such_field", lambda job: -job.id),
)


def test_pages_follow_each_other_without_a_gap_however_deep(lab: Lab) -> None:
    for query, key in PAGED:
        _check_pages(lab, query, key)


def _check_pages(lab: Lab, query: str, key: Callable[[Made], int]) -> None:
    fits = ASKED.get(query.replace("ordering=id&", ""), ASKED[""])
    for who in ("ann", "boss"):
        expected = [job.id for job in sorted(lab.jobs, key=key) if lab.sees(who, job) and fits(job)]
        shown: list[int] = []
        address: str | None = f"{API}jobs/?{query}&limit=23"
        while address:
            page = lab.ask(who, address).json
            assert page["count"] == len(expected)
            shown += [job["id"] for job in page["results"]]
            address = page["next"] and "?".join(urlsplit(page["next"])[2:4])
        assert shown == expected
        for offset in (1, 13, len(expected) - 1, len(expected), len(expected) + 50, 2**63 + 5):
            page = lab.ask(who, f"{API}jobs/?{query}&limit=3&offset={offset}").json
            assert [job["id"] for job in page["results"]] == expected[offset : offset + 3]


def _between(bound: int, other: int) -> dict[str, Callable[[Made], bool]]:
    return {
        f"id__gt={bound}&ordering=id": lambda job: job.id > bound,
        f"id__lte={bound}&health=Complete": lambda job: (
            job.id <= bound and job.outcome == "complete"
        ),
        f"id__gte={bound}&id__lt={other}": lambda job: bound <= job.id < other,
        f"id__gte={bound}&requested_device_type=qemu": lambda job: (
            job.id >= bound and job.device_type == "qemu"
        ),
    }


def test_ids_above_and_below_others_are_listed_and_counted(lab: Lab) -> None:
    ids = [job.id for job in lab.jobs]
    middle, chance = ids[len(ids) // 2], random.Random(3)
    bounds = (-1, 0, ids[0], middle, middle + 1, BLOCK * 20, BLOCK * 20 - 1, ids[-1])
    for who, bound in product(("", "ann", "boss"), bounds):
        for query, fits in _between(bound, chance.choice(ids)).items():
            every = [job.id for job in lab.jobs if lab.sees(who, job) and fits(job)]
            expected = every if "ordering" in query else every[::-1]
            page = lab.ask(who, f"{API}jobs/?{query}&limit=2&offset=1").json
            assert page["count"] == len(expected), query
            assert [job["id"] for job in page["results"]] == expected[1:3], query


def test_a_list_of_ids_is_answered_and_one_that_is_too_long_is_refused(lab: Lab) -> None:
    known = [job.id for job in lab.jobs[:3]]
    found = lab.ask("boss", f"{API}jobs/?id__in={','.join(map(str, known))},{2**62}").json
    assert {job["id"] for job in found["results"]} == set(known)
    many = lab.ask("boss", f"{API}jobs/?id__in={','.join(map(str, range(2000)))}")
    assert many.status_code == 400
    assert "too many" in many.json["id__in"][0]


MEANINGLESS = (
    "id=x",
    "id__in=1,,2",
    "id__gt=1e400",
    "id=9999999999999999999999",
    "state=finished",
    "health__in=Complete,No",
    "submit_time__gt=yesterday",
    "health_check=perhaps",
    "description=a%00b",
    "metadata__branch%00=x",
    "metadata__branch__regex=.*",
    "metadata__branch__iregex=.*",
    "metadata__contains=[1]",
    "metadata__a__isnull=perhaps",
    "metadata__" + "__".join("abcdefghij") + "=1",
    "requested_device_type__health_denominator=days",
)


def test_a_value_that_means_nothing_is_an_error_with_the_name_of_its_filter(lab: Lab) -> None:
    for query in MEANINGLESS:
        answer = lab.ask("ann", f"{API}jobs/?{query}")
        assert answer.status_code == 400, f"{query}: {answer.text}"
        (name,) = answer.json
        assert query.replace("%00", "\0").startswith(f"{name}=")


ODD: tuple[tuple[str, int, int | None], ...] = (
    ("limit=1e9&offset=-5", 50, 0),
    ("limit=0&offset=1e3", 50, 0),
    ("limit=-1&offset=%F0%9F%90%AB", 50, 0),
    ("limit=99999999999999999999999", 1000, 0),
    ("limit=3&offset=4", 3, 4),
    ("description=%F0%9F%90%AB%27%3B--", 50, None),
)


def test_odd_limits_and_offsets_are_bounded(lab: Lab) -> None:
    every = [job.id for job in sorted(lab.jobs, key=lambda job: -job.id)]
    for query, limit, offset in ODD:
        answer = lab.ask("boss", f"{API}jobs/?{query}")
        expected = [] if offset is None else every[offset : offset + limit]
        assert [job["id"] for job in answer.json["results"]] == expected, query


def test_a_labq_that_says_nothing_of_audiences_has_them_counted_anew(lab: Lab) -> None:
    with Session(lab.site.engine) as session, session.begin():
        assert not rollups.fold(session).is_short
        kept = session.scalars(select(Job.id).order_by(Job.id).limit(1)).one()
        session.execute(table_of(JobDefinition).delete().where(JobDefinition.job_id == kept))
        session.execute(table_of(Job).delete().where(Job.id == kept))
        rows = {"device_type": "qemu", "jobs": 0, "gone": 1, "outcome": "complete"}
        session.execute(table_of(CountDelta).insert(), [rows])
    with Session(lab.site.engine) as session, session.begin():
        assert rollups.fold(session).is_short
        audience_counts.recount(session)
    with Session(lab.site.engine) as session:
        told = {one.table for one in rollups.check(session)}
    assert not told & {"audience_count", "block_count"}
    assert lab.ask("boss", f"{API}jobs/?limit=1").json["count"] == len(lab.jobs) - 1
