"""Whatever shows jobs shows those that its viewer may see, and no word of any other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.services import job_events, lab_events
from labq.services.database import Role, make_engine
from labq.services.occurrences import Occurrence, Topic
from labq.services.paging import LARGEST_ID, encode_key
from labq.stream.telling import Telling
from labq.web.api import ENDPOINTS
from labq.web.app import API_PREFIX, create_app
from labq.web.endpoint import Endpoint, Level, Page
from labq.web.pages import PAGES
from tests.integration import lava_rest_eyes, lava_rpc_eyes
from tests.integration.conductor_lab import eventually
from tests.integration.hidden_jobs import (
    ARTIFACT,
    CASE,
    GROUPS,
    NO_JOB,
    NO_RUN,
    SUITE,
    TAG,
    USERS,
    WORLDS,
    HiddenJob,
    HiddenLab,
    Kind,
    Place,
    World,
)
from tests.integration.web_site import START, Site

_ALL_RECORDS: tuple[Endpoint | Page, ...] = (*ENDPOINTS, *PAGES)
RECORDS = {one.name: one for one in _ALL_RECORDS}
EXAMPLES = 5
SINCE, LATER = "2026-01-01", "2999-01-01"
WAITING, RUNNING, FAILED, ARCHIVED = ({kind} for kind in Kind)
ALL = WAITING | RUNNING | FAILED
TYPE, BOARD = Place.TYPE, Place.BOARD
ON_BOARD = RUNNING | FAILED
NEWEST, FIRST = encode_key(LARGEST_ID), encode_key("100/1")
LAST_CASE = encode_key(f"2999-01-01/{LARGEST_ID}")
LEFT_OUT = "could not be loaded in time"
_CHANGING = re.compile(r'nonce="[^"]*"|value="[^"]{20,}"|[78]\d{8}')


@dataclass(frozen=True, slots=True)
class Probe:
    """An address, and jobs of which kinds it shows; `by`: of this user alone.

    `of`: there is nothing for those who may not view this.
    """

    address: str
    kinds: set[Kind]
    by: int | None = None
    of: Place | None = None


LISTS: dict[str, tuple[Probe, ...]] = {
    "api.jobs.index": (
        Probe(f"/jobs?limit=100&after={NEWEST}", ALL),
        Probe("/jobs?state=submitted", WAITING),
        Probe("/jobs?state=submitted&state=running", WAITING | RUNNING),
        Probe("/jobs?outcome=incomplete", FAILED),
        Probe("/jobs?device_type=shell", ALL),
        Probe("/jobs?device=board-1", ON_BOARD),
        Probe("/jobs?host=rack", ON_BOARD),
        Probe("/jobs?submitter=user-0", ALL, by=0),
        Probe(f"/jobs?since={SINCE}&until={LATER}", ALL),
        Probe("/jobs?name=SMOKE", ALL),
        Probe(f"/jobs?tag={TAG}", ALL),
        Probe("/jobs?priority=50", ALL),
        Probe("/jobs?q=meta.branch:main", ALL),
        Probe("/jobs?q=outcome:incomplete+type:shell", FAILED),
        Probe(f"/jobs?host=rack&tag={TAG}&device_type=shell&name=smoke", ON_BOARD),
    ),
    "api.cases.index": (
        Probe(f"/cases?name={CASE}&limit=100&after={LAST_CASE}", ON_BOARD),
        Probe(f"/cases?result=fail&suite={SUITE}&since={SINCE}", ON_BOARD),
    ),
    "api.queue.show": (Probe(f"/queue/shell?limit=100&after={FIRST}", WAITING, of=TYPE),),
    "api.archive.jobs": (Probe(f"/archive/jobs?limit=100&after={NEWEST}", ARCHIVED),),
    "api.devices.show": (Probe("/devices/board-1", ON_BOARD, of=BOARD),),
    "pages.device.device": (Probe("/devices/board-1", ON_BOARD, of=BOARD),),
    "pages.device_type.device_type": (Probe("/device-types/shell", ALL, of=TYPE),),
    "pages.host.host": (Probe("/hosts/rack", ON_BOARD),),
    "pages.overview.overview": (Probe("/", ON_BOARD),),
    "pages.queue.queue": (Probe(f"/queue?type=shell&after={FIRST}", WAITING, of=TYPE),),
    "pages.results.results": (
        Probe("/results?verdict=fail&days=7", ON_BOARD),
        Probe(f"/results?name={CASE}&suite={SUITE}&after={LAST_CASE}", ON_BOARD),
    ),
    "pages.jobs.jobs": (
        Probe(f"/jobs?after={NEWEST}", ALL),
        Probe(f"/jobs?before={encode_key(1)}", ALL),
        Probe("/jobs?state=running", RUNNING),
        Probe("/jobs?outcome=incomplete&name=smoke", FAILED),
        Probe("/jobs?device_type=shell&device=board-1&host=rack", ON_BOARD),
        Probe("/jobs?submitter=user-1", ALL, by=1),
        Probe("/jobs?q=tag:usb&count=1", ALL),
    ),
}
"""Lists, with an address for each of their filters."""
COUNTS = {
    "api.jobs.count": tuple(
        replace(probe, address=probe.address.replace("/jobs?", "/jobs/count?"))
        for probe in LISTS["api.jobs.index"]
        if "after=" not in probe.address
    )
}
"""The same lists, counted."""
MINE = {"api.jobs.index": "/jobs?submitter=me", "pages.jobs.jobs": "/jobs?mine=1"}
BOARDS = {
    "api.devices.index": ("", "device_type=shell", "host=rack", "state=running", "health=good"),
    "pages.devices.devices": ("", "device_type=shell", "host=rack", "state=running", "health=good"),
}
"""Lists of devices: each with the job it works for."""
OF_A_JOB = {
    "pages.submit.form": ("/submit?job={job}",),
    "pages.lava_files.definition": ("/scheduler/job/{job}/definition/plain",),
    "pages.lava_files.log": ("/scheduler/job/{job}/log_file/plain",),
    "api.job_log.show": ("/jobs/{job}/log?format=lines",),
    "api.job_results.show": tuple(
        f"/jobs/{{job}}/results?format={form}" for form in ("yaml", "csv", "junit")
    ),
}
"""Addresses of one job beside those with its number in the path, which are found there."""
REDIRECTS = {"pages.addresses.job", "pages.addresses.results", "pages.addresses.suite"}
"""They send everybody on to a page, whatever the number."""
WITHOUT_JOBS = {
    *("api.rights.of_device", "api.rights.of_type", "api.remote_tokens.index"),
    *("api.events.live", "api.devices.dictionary", "api.device_types.index"),
    *(
        "api.device_templates.show",
        "api.device_types.show",
        "api.device_types.health_check",
        "api.hosts.index",
    ),
    *("api.hosts.show", "api.enrolments.trust", "api.users.show", "api.groups.index"),
    *("api.groups.show", "api.tokens.index", "api.system.show", "api.system.health"),
    *("api.system.version", "api.system.whoami", "api.queue.index"),
    *("pages.hosts.hosts", "pages.login.login", "pages.tokens.show", "pages.addresses.device"),
    *("pages.addresses.icon", "pages.addresses.device_type", "pages.addresses.case"),
    "pages.lava_files.data",
}
"""They show no job to anybody; `lava_rpc_eyes` unpacks the data of callbacks. Events are asked of the service: the stream sends what it says."""
SAMPLES = {
    "device": "board-1",
    "device_type": "shell",
    "template": "shell",
    "name": "board-1",
    "host": "rack",
    "user": "user-0",
    "group": "group-0",
    "case": "1",
    "job": "x",
}
_PATH_OF_A_JOB = re.compile(r"<id:(job|job_id|run)>")


def takes_a_job(record: Endpoint | Page) -> bool:
    return bool(_PATH_OF_A_JOB.search(record.path)) and record.name not in REDIRECTS


def test_every_endpoint_that_might_show_a_job_is_looked_at_below() -> None:
    asked = {*LISTS, *COUNTS, *BOARDS, *OF_A_JOB, *REDIRECTS, *WITHOUT_JOBS}
    assert asked <= set(RECORDS), "an endpoint is gone"
    for name, record in RECORDS.items():
        if record.method == "GET" and record.level < Level.ADMIN and not takes_a_job(record):
            assert name in asked, f"say in {__name__} which jobs {name} ({record.path}) shows"


def test_every_method_of_xml_rpc_that_might_show_a_job_is_looked_at() -> None:
    assert lava_rpc_eyes.methods_without_a_check() == set()


def test_every_filter_of_a_list_is_asked_for() -> None:
    for name, probes in LISTS.items():
        addresses = [*(probe.address for probe in probes), MINE.get(name, "")]
        used = {key for one in addresses for key, _ in parse_qsl(urlsplit(one).query)}
        query = RECORDS[name].query
        assert used == set(query.model_fields if query else ()), name


@dataclass(frozen=True, slots=True)
class Labs:
    """The same lab behind an application without a cache, and behind one with it."""

    plain: HiddenLab
    settings: Settings

    def become(self, world: World) -> Iterator[Site]:
        """Give both, the second one with a cache in which nothing is."""
        self.plain.become(world)
        yield self.plain.site
        cached = self.settings.model_copy(update={"cache": True})
        yield Site(create_app(cached, self.plain.site.engine), self.plain.site.engine)


@pytest.fixture
def labs(settings: Settings) -> Iterator[Labs]:
    unlimited = settings.model_copy(update={"anonymous_rate": 0.0, "token_rate": 0.0})
    engine = make_engine(unlimited.database_url, Role.API)
    site = Site(create_app(unlimited, engine), engine)
    people = [site.person(f"user-{number}") for number in range(USERS)]
    people.append(site.person("boss", is_admin=True))
    groups = [site.group(f"group-{number}") for number in range(GROUPS)]
    device = site.device()
    yield Labs(HiddenLab(site, unlimited.blobs, people, device, groups), unlimited)
    engine.dispose()


@dataclass(frozen=True, slots=True)
class Eyes:
    """One viewer of a lab (None: a stranger) at one application."""

    lab: HiddenLab
    site: Site
    number: int | None
    missing: dict[tuple[str, str], Any] = field(default_factory=dict)
    """What is answered for a job that never was, by endpoint and address."""

    def ask(self, name: str, address: str) -> Any:
        """Return an answer in which nothing is left out because the machine was busy."""
        return eventually(lambda: self._whole(name, address), f"all of {address}", 60)

    def _whole(self, name: str, address: str) -> Any:
        answer = self._ask(name, address)
        return None if LEFT_OUT in answer.text else answer

    def _ask(self, name: str, address: str) -> Any:
        record = RECORDS[name]
        prefix = API_PREFIX if isinstance(record, Endpoint) else ""
        return self.site.client.open(
            prefix + address,
            method=record.method,
            headers=dict(self.lab.headers(self.number)),
            json={} if record.method in {"POST", "PUT"} else None,
            buffered=True,
        )

    def check_list(self, name: str, probe: Probe) -> None:
        """Compare what a list shows with what the viewer may see of its kinds."""
        answer = self.ask(name, probe.address)
        is_there = probe.of is None or self.lab.knows(self.number, probe.of)
        assert answer.status_code == (200 if is_there else 404), f"{probe.address}: {answer.text}"
        expected = self._expected(probe) if is_there else set()
        assert self.lab.shown(answer.text) == expected, f"{name} {probe.address}"

    def check_counts(self) -> None:
        """Compare how many jobs are told with how many the viewer may see."""
        for name, probes in COUNTS.items():
            for probe in probes:
                answer = self.ask(name, probe.address)
                assert answer.status_code == 200, f"{probe.address}: {answer.text}"
                assert answer.json["jobs"] == len(self._expected(probe)), probe.address

    def check_lists(self) -> None:
        for name, probes in LISTS.items():
            for probe in probes:
                self.check_list(name, probe)
        for name, address in MINE.items():
            if self.number is not None:
                self.check_list(name, Probe(address, ALL, by=self.number))
        for name, filters in BOARDS.items():
            for words in filters:
                self.check_board(name, f"/devices?{words}")

    def check_board(self, name: str, address: str) -> None:
        """Look for the job that the board works for, the last of those that run."""
        running = [job for job in self.lab.jobs if job.draft.kind is Kind.RUNNING][-1:]
        is_known = self.lab.knows(self.number, BOARD)
        seen = {job.id for job in running if self.lab.sees(self.number, job.draft)}
        expected = seen if is_known else set()
        answer = self.ask(name, address)
        if address.endswith("?"):
            assert (SAMPLES["device"] in answer.text) == is_known, name
        assert self.lab.shown(answer.text) == expected, f"{name} {address}"

    def check_job(self, job: HiddenJob) -> None:
        """Compare what is answered for a job with what is answered for one that never was."""
        sees = self.lab.sees(self.number, job.draft)
        for name, record in RECORDS.items():
            if name in OF_A_JOB or takes_a_job(record):
                if record.level == Level.ADMIN or (record.method != "GET" and sees):
                    continue
                if isinstance(record, Page) and record.method != "GET":
                    continue
                for address in _addresses(record):
                    may_see = sees and self._may_call(record)
                    self._check_answer(name, address, job, sees=may_see)

    def _check_answer(self, name: str, address: str, job: HiddenJob, *, sees: bool) -> None:
        answer = self.ask(name, _filled(address, job.id, job.run))
        if (name, address) not in self.missing:
            self.missing[name, address] = self.ask(name, _filled(address, NO_JOB, NO_RUN))
        missing = self.missing[name, address]
        assert answer.status_code < 500, f"{name}: {answer.text}"
        if not sees:
            assert answer.status_code == missing.status_code, name
            assert _plain(answer.text) == _plain(missing.text), name
        elif job.draft.kind is Kind.FAILED and not name.startswith("api.archive"):
            assert answer.status_code < 400, f"{name}: {answer.text}"

    def check_rest(self) -> None:
        """Look for any job in what should show none."""
        for name in WITHOUT_JOBS:
            record = RECORDS[name]
            address = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: SAMPLES[found[1]], record.path)
            answer = self.ask(name, address)
            assert answer.status_code != 500, f"{name}: {answer.text}"
            assert self.lab.shown(answer.text) == set(), name

    def check_events(self) -> None:
        """Compare who is told of changes of a job."""
        viewer = self.lab.viewer(self.number)
        with Session(self.site.engine) as session:
            told = job_events.find_events(session, [job.id for job in self.lab.jobs])
            happened = [_happened(job.id) for job in self.lab.jobs]
            events = lab_events.find(session, happened)
        expected = self.lab.visible(self.number, ALL)
        assert {each.event.id for each in told if each.is_for(viewer)} == expected
        tellings = [Telling(one, "org").of(viewer) for one in events]
        data = [json.loads(one.parts[-1]) for one in tellings if one]
        assert {one["job"] for one in data} == expected

    def check_cancels(self) -> None:
        """Ask for hidden jobs and for one that is not there to be canceled."""
        hidden = {job.id for job in self.lab.jobs} - self.lab.visible(self.number, set(Kind))
        headers = dict(self.lab.headers(self.number))
        body = {"ids": [*sorted(hidden), NO_JOB]}
        answer = self.site.client.post(f"{API_PREFIX}/jobs/cancel", json=body, headers=headers)
        if self.number is None:
            assert answer.status_code == 401
        else:
            told: Any = answer.json
            assert {one["result"] for one in told} == {"unknown"}, answer.text

    def _expected(self, probe: Probe) -> set[int]:
        found = self.lab.visible(self.number, probe.kinds)
        if probe.by is None:
            return found
        return found & {job.id for job in self.lab.jobs if job.draft.owner == probe.by}

    def _may_call(self, record: Endpoint | Page) -> bool:
        return record.level == Level.ANONYMOUS or self.number is not None


def _happened(job: int) -> Occurrence:
    return Occurrence(topic=Topic.JOB, at=START, subject=str(job), state="running")


def _addresses(record: Endpoint | Page) -> Iterator[str]:
    if takes_a_job(record):
        yield record.path
    yield from OF_A_JOB.get(record.name, ())


def _filled(address: str, job: int, run: int) -> str:
    path = re.sub("<id:job(_id)?>|{job}", str(job), address)
    return path.replace("<id:run>", str(run)).replace("<path:name>", ARTIFACT)


def _plain(answer: str) -> str:
    """Return an answer without what is another one each time, and without numbers of jobs."""
    return _CHANGING.sub("", answer)


# A lab takes a second to look at: one that is wrong is not made smaller.
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],
)
@given(
    world=WORLDS, viewers=st.permutations(range(USERS + 1)).map(lambda all_of_them: all_of_them[:2])
)
def test_everybody_sees_what_the_rule_says_and_nothing_else(
    labs: Labs, world: World, viewers: list[int]
) -> None:
    for is_cached, site in enumerate(labs.become(world)):
        for number in (None, *viewers):
            eyes = Eyes(labs.plain, site, number)
            eyes.check_lists()
            if not is_cached:
                for job in labs.plain.jobs:
                    eyes.check_job(job)
                eyes.check_counts()
                eyes.check_rest()
                eyes.check_events()
                eyes.check_cancels()
                lava_rest_eyes.check(labs.plain, site, number)
                lava_rpc_eyes.check(labs.plain, site, number)
