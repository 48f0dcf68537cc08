"""Rows of people and machines: few, made at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from labq.domain.states import DeviceState, JobState
from labq.fill import shapes
from labq.fill.arrivals import DAY, MICROSECONDS
from labq.fill.book import Book, host_address
from labq.fill.cast import ADMIN, PERSONAL, PUBLIC
from labq.fill.copytext import NULL, array_of, escaped, flag, moment, optional
from labq.fill.recipes import HEALTH_CHECK
from labq.fill.story import NOBODY, STATES, Pin
from labq.fill.table import Table

TOKEN = "made by labq db fill"  # noqa: S105 - the description of a token
_STATES = {
    JobState.SCHEDULED: DeviceState.RESERVED,
    JobState.RUNNING: DeviceState.RUNNING,
    JobState.CANCELING: DeviceState.RUNNING,
}


def _users(book: Book, _jobs: range) -> Iterator[str]:
    since = moment(_begin(book))
    for index, name in enumerate(book.story.cast.users):
        is_admin = flag(index == ADMIN)
        yield f"{book.user(index)}\t{name}\t{name}@example.org\t{is_admin}\t{since}"


def _groups(book: Book, _jobs: range) -> Iterator[str]:
    for index, name in enumerate(book.story.cast.groups):
        yield f"{book.group(index)}\t{name}"


def _members(book: Book, _jobs: range) -> Iterator[str]:
    for user, groups in enumerate(book.story.cast.members):
        for group in groups:
            yield f"{book.user(user)}\t{book.group(group)}"


def _audiences(book: Book, _jobs: range) -> Iterator[str]:
    for index, groups in enumerate(book.story.cast.audiences):
        if groups:
            ids = array_of(sorted(book.group(group) for group in groups))
            yield f"{book.shared(index)}\t{ids}\t{NULL}"
    for user in sorted({user for user, audience in _submitted(book) if audience == PERSONAL}):
        yield f"{book.personal(user)}\t{{}}\t{book.user(user)}"


def _submitters(book: Book, _jobs: range) -> Iterator[str]:
    for user, audience in sorted(_submitted(book)):
        if audience not in (PUBLIC, PERSONAL):
            yield f"{book.user(user)}\t{book.shared(audience)}"


def _submitted(book: Book) -> set[tuple[int, int]]:
    return set(zip(book.story.submitter, book.story.audience, strict=True))


def _types(book: Book, _jobs: range) -> Iterator[str]:
    for kind in book.story.cast.types:
        check = shapes.shape(HEALTH_CHECK, kind.family, kind.arch).definition
        text = check.fill(_check_values(kind.name, kind.arch))
        yield f"{kind.name}\ta board that boots by {kind.family}\t{escaped(text)}"


def _check_values(kind: str, arch: str) -> Mapping[str, str]:
    """Return what stands in a health check before it is any job's."""
    release = {"tree": "lts-6.12", "branch": "linux-6.12.y", "version": "v6.12.1", "build": "1"}
    return {
        "job_name": f"health check of {kind}",
        "kind": kind,
        "arch": arch,
        "priority": "100",
        "visibility": "public",
        "wanted": "",
        "repository": "https://git.example.org/pub/scm/linux/kernel/git/stable/linux.git",
        "config": "defconfig",
        "compiler": "gcc-13",
        "describe": "v6.12.1",
        "commit": hashlib.sha1(b"release", usedforsecurity=False).hexdigest(),
        "definitions": "master",
        "plan": "health-check",
        "storage": f"https://storage.example.org/lts-6.12/release/{arch}",
        **release,
    }


def _hosts(book: Book, _jobs: range) -> Iterator[str]:
    last = moment(book.story.until - 2 * MICROSECONDS)
    for index, name in enumerate(book.story.cast.hosts):
        yield f"{name}\t{host_address(index)}\tonline\tactive\t0.1.0\t{last}"


def _devices(book: Book, _jobs: range) -> Iterator[str]:
    cast = book.story.cast
    checks, since = _checks(book)
    for index, (board, word) in enumerate(zip(cast.boards, book.story.devices, strict=True)):
        state, run = DeviceState.IDLE, NULL
        if word.job != NOBODY:
            state = _STATES[STATES[book.story.state[word.job]]]
            run = str(book.run(word.job))
        check = checks[index]
        text = shapes.board_file(cast.types[board.kind].family).fill(book.board_values(index))
        fields = (
            book.device(index),
            board.name,
            cast.types[board.kind].name,
            cast.hosts[board.host],
            escaped(text),
            array_of(board.tags),
            state,
            word.health,
            word.reason,
            run,
            optional(None if check == NOBODY else book.job(check)),
            moment(0 if check == NOBODY else book.story.submitted[check]),
            since[index],
        )
        yield "\t".join(map(str, fields))


def _checks(book: Book) -> tuple[list[int], list[int]]:
    """Return the last health check of each device, and how many jobs it had since."""
    story = book.story
    last, since = [NOBODY] * len(story.cast.boards), [0] * len(story.cast.boards)
    for job, device in enumerate(story.device):
        if device == NOBODY:
            continue
        if story.pin[job] == Pin.HEALTH_CHECK:
            last[device], since[device] = job, 0
        else:
            since[device] += 1
    return last, since


def _begin(book: Book) -> int:
    return book.story.until - (book.story.profile.days + 30) * DAY


PEOPLE = (
    Table(
        name="user",
        columns=("id", "name", "email", "is_admin", "created_at"),
        rows=_users,
        key="id",
        base="user",
    ),
    Table(name="group", columns=("id", "name"), rows=_groups, key="id", base="group"),
    Table(
        name="membership",
        columns=("user_id", "group_id"),
        rows=_members,
        key="user_id",
        base="user",
    ),
    Table(
        name="audience",
        columns=("id", "groups", "owner_id"),
        rows=_audiences,
        key="id",
        base="audience",
    ),
    Table(
        name="audience_submitter",
        columns=("user_id", "audience_id"),
        rows=_submitters,
        key="user_id",
        base="user",
    ),
    Table(
        name="host",
        columns=("name", "address", "state", "health", "version", "reported_at"),
        rows=_hosts,
        key="",
        base="",
    ),
    Table(
        name="device",
        columns=(
            "id",
            "name",
            "device_type",
            "host",
            "template",
            "tags",
            "state",
            "health",
            "health_reason",
            "run_id",
            "health_job_id",
            "health_checked_at",
            "jobs_since_check",
        ),
        rows=_devices,
        key="id",
        base="device",
    ),
)
"""In the order in which they refer to each other; device types come before them, by name."""
TYPES = Table(
    name="device_type",
    columns=("name", "description", "health_check"),
    rows=_types,
    key="",
    base="",
)
