"""What has to be true at the end, told by the devices and the campaign's own record alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.chaos import leftovers, lines, outcomes
from tests.chaos.ground import Ground
from tests.chaos.lines import Printed
from tests.chaos.record import Entry, Record
from tests.lab.client import Client
from tests.lab.waiting import TooLateError, until

QUIET_SECONDS = 60.0
MOST_LINES = 3
Job = Mapping[str, Any]


def check(ground: Ground, record: Record) -> list[str]:
    """Return what is wrong while everything still runs."""
    client = ground.client()
    jobs = _listed(client)
    found = [
        *_check_list(jobs, record),
        *_check_jobs(client, jobs, record),
        *_check_devices(ground, client),
    ]
    try:
        until(lambda: not list(leftovers.in_streams(ground)), "streams are empty", QUIET_SECONDS)
    except TooLateError:
        found += leftovers.in_streams(ground)
    try:
        until(lambda: not list(leftovers.on_hosts(ground)), "hosts have done all", QUIET_SECONDS)
    except TooLateError:
        found += leftovers.on_hosts(ground)
    client.close()
    return found


def check_stopped(ground: Ground) -> list[str]:
    """Return what is left when everything was stopped."""
    return list(leftovers.of_processes(ground))


def _listed(client: Client) -> dict[int, Job]:
    found: dict[int, Job] = {}
    after = ""
    while after is not None:
        query = {"limit": 100, **({"after": after} if after else {})}
        page = client.get("/jobs", **query).json
        found |= {job["id"]: job for job in page["items"]}
        after = page["next"]
    return found


def _check_list(jobs: Mapping[int, Job], record: Record) -> Iterator[str]:
    """Every accepted job is there, and nothing that was never submitted or is there twice."""
    names = Counter(job["name"] for job in jobs.values())
    yield from (f"job {name} is there {n} times" for name, n in names.items() if n > 1)
    sent = {entry.trial.name for entry in record.entries}
    yield from (f"nobody submitted {name}" for name in names if name not in sent)
    for entry in record.entries:
        if entry.job and entry.job not in jobs:
            yield f"job {entry.job} ({entry.trial.name}) is lost"


def _check_jobs(client: Client, jobs: Mapping[int, Job], record: Record) -> Iterator[str]:
    by_name = {entry.trial.name: entry for entry in record.entries}
    for number, job in jobs.items():
        entry = by_name.get(job["name"])
        if entry is None:
            continue
        for problem in _check_job(client, client.job(number), entry, record):
            yield f"job {number} ({entry.trial.name}): {problem}"


def _check_job(client: Client, job: Job, entry: Entry, record: Record) -> Iterator[str]:
    if job["state"] != "finished":
        yield f"has not ended, it is {job['state']}"
        return
    yield from outcomes.judge(job, entry, record)
    record.note("outcome", job=job["id"], outcome=job["outcome"], error=job["error"])
    is_complete = job["outcome"] == "complete"
    yield from _check_results(client.results(job["id"]), entry, is_complete=is_complete)
    if not job["runs"]:
        return
    try:
        told = lines.read(client.lines(job["id"]))
    except (TooLateError, ValueError) as error:
        yield f"its log cannot be read: {error}"
        return
    record.note("log", job=job["id"], **told.facts())
    yield from told.problems[:MOST_LINES]
    if len(told.problems) > MOST_LINES:
        yield f"{len(told.problems)} lines are wrong in all"
    if is_complete:
        yield from _check_all_lines(told, entry)


def _check_results(
    results: Iterable[Mapping[str, Any]], entry: Entry, *, is_complete: bool
) -> Iterator[str]:
    """No result is there twice; none is missing, or if the job is cut short only the last ones."""
    count = Counter(
        f"{case['suite']}.{case['name']}" for case in results if case["suite"] != "lava"
    )
    yield from (f"result {name} is there {n} times" for name, n in count.items() if n > 1)
    wanted = entry.trial.cases
    yield from (f"result {name} is nobody's" for name in count if name not in wanted)
    there = [name in count for name in wanted]
    if is_complete and not all(there):
        missing = [name for name, is_there in zip(wanted, there, strict=True) if not is_there]
        yield f"results are missing: {' '.join(missing)}"
    elif True in there[there.index(False) :] if False in there else False:
        yield f"results are missing in the middle: {there}"


def _check_all_lines(told: Printed, entry: Entry) -> Iterator[str]:
    """A job that is complete has all lines of its last session."""
    last = max((session for session, _ in told.last), default=0)
    for tag, count in entry.trial.lines.items():
        if told.last.get((last, tag), 0) < count and not told.ends_in_gap:
            yield f"of {count} lines {tag} of session {last} {told.last.get((last, tag), 0)} are there"


def _check_devices(ground: Ground, client: Client) -> Iterator[str]:
    for device in ground.devices:
        yield from (f"device {device.name}: {words}" for words in device.violations())
        if not device.is_off():
            yield f"device {device.name} says it is not off: {device.record()[-1]}"
        shown = client.device(device.name)
        if shown["state"] != "idle":
            yield f"device {device.name} is {shown['state']}"
    held = [device.name for device in leftovers.used_devices(ground)]
    yield from (f"device {name} is used by somebody" for name in held)
