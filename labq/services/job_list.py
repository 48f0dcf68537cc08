"""Lists of jobs: newest first, by key, in two statements whose cost does not grow with the table.

Measured with a million jobs in `tests/integration/test_job_list_costs.py`'s manner: any one filter
takes at most 150 buffers for a user in 12 groups, and less than a millisecond.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, Row
from sqlalchemy.orm import Session

from labq.domain.errors import ErrorType
from labq.domain.states import JobState, Outcome
from labq.domain.verdicts import Verdict
from labq.models.audience import PUBLIC, is_public
from labq.services import job_query, prepared
from labq.services.job_labels import METADATA, TAG
from labq.services.job_query import Drive, Search
from labq.services.paging import Page, decode_id, encode_key, page_of
from labq.services.visibility import Viewer

ME = "me"
LIMIT = 25
WINDOW = timedelta(days=14)
"""How far back a list goes unless it is asked for more, or for jobs that are not finished."""
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs; None and empty ask nothing. `submitter` may be `me`.

    Of several states, outcomes or error types any will do; of several tags and pairs of `metadata`
    (key, value) all are asked for. `name` is a part of the name and `error_text` of what went wrong,
    in any case. `verdict` is that of a case of the latest run.
    """

    states: tuple[JobState, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    error_types: tuple[ErrorType, ...] = ()
    device_type: str | None = None
    device: str | None = None
    host: str | None = None
    submitter: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    name: str | None = None
    tag: str | None = None
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    priority: int | None = None
    id: int | None = None
    error_text: str | None = None
    verdict: Verdict | None = None

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """Return the labels that are asked for, as they stand in `job_label`."""
        tags = (*self.tags, *((self.tag,) if self.tag is not None else ()))
        pairs = ((METADATA + key, value) for key, value in self.metadata)
        return (*((TAG, tag) for tag in tags), *pairs)

    @property
    def is_of_unfinished(self) -> bool:
        """Tell whether finished jobs are not wanted."""
        return bool(self.states) and JobState.FINISHED not in self.states


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """One job in a list."""

    id: int
    name: str
    submitter: str
    device_type: str
    device: str | None
    state: JobState
    outcome: Outcome | None
    error_type: ErrorType | None
    priority: int
    tags: tuple[str, ...]
    is_public: bool
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Count:
    """How many jobs there are; `is_more`: that many at least, as in `10,000+`."""

    jobs: int
    is_more: bool = False


def find_page(
    session: Session,
    viewer: Viewer,
    wanted: JobFilter,
    *,
    after: str | None = None,
    limit: int = LIMIT,
    window: timedelta | None = WINDOW,
) -> Page[JobRow]:
    """Return jobs that the viewer sees, the newest first.

    Without `since` the list goes back for `window` (by the database's clock; None: to the
    beginning), but for one of unfinished jobs. `after` is the `next` of the page before: it is
    good for any viewer and filter, and tells nothing of the job it came from. A page may have
    fewer than `limit` rows and still a `next`: with several filters only job_query.WALK jobs are
    looked at in one go, NARROW_WALK for a verdict. Raises InvalidInputError for a bad key.
    """
    below = None if after is None else decode_id(after)
    asked = _Asked(viewer=viewer, wanted=wanted, window=window, below=below)
    search = _search(session, asked)
    if search is None:
        return Page(())
    jobs, walked_to = _read(session, search, limit)
    if walked_to is not None:
        return Page(tuple(jobs[:limit]), encode_key(walked_to))
    return page_of(jobs, limit, lambda job: job.id)


def find_newer_page(
    session: Session,
    viewer: Viewer,
    wanted: JobFilter,
    *,
    before: str,
    limit: int = LIMIT,
    window: timedelta | None = WINDOW,
) -> Page[JobRow]:
    """Return the jobs next above a page, the newest first; `before` is the key of its first job.

    `next` is the `before` of the page above this one. All else is as with `find_page`.
    """
    asked = _Asked(viewer=viewer, wanted=wanted, window=window, above=decode_id(before))
    search = _search(session, asked)
    if search is None:
        return Page(())
    jobs, walked_to = _read(session, replace(search, is_upward=True), limit)
    if walked_to is not None:
        return Page(tuple(jobs[-limit:]), encode_key(walked_to))
    upward = page_of(jobs[::-1], limit, lambda job: job.id)
    return replace(upward, items=upward.items[::-1])


def count(
    session: Session, viewer: Viewer, wanted: JobFilter, *, window: timedelta | None = WINDOW
) -> Count:
    """Count the jobs of a list, MOST_COUNTED at most; with several filters, of those looked at."""
    search = _search(session, _Asked(viewer=viewer, wanted=wanted, window=window))
    if search is None:
        return Count(0)
    found = _run(session, search, job_query.count(search, MOST_COUNTED + 1)).one()
    is_cut = search.is_narrowed and found.walked >= job_query.WALK
    return Count(min(found.jobs, MOST_COUNTED), found.jobs > MOST_COUNTED or is_cut)


def _read(session: Session, search: Search, limit: int) -> tuple[list[JobRow], int | None]:
    """Return the jobs of a page and one more, and the last id that was looked at if it is cut short."""
    rows = _run(session, search, job_query.page(search, limit + 1)).all()
    walked_to: int | None = rows[0][-1] if search.is_narrowed else None
    return [_row(row) for row in rows if row[0] is not None], walked_to


def _run(
    session: Session, search: Search, statement: tuple[str, dict[str, object]]
) -> CursorResult[Any]:
    run = prepared.run if search.shape.is_for_all_values else prepared.run_unprepared
    return run(session, *statement)


def _row(row: Sequence[Any]) -> JobRow:
    """Return a job; its columns are those of job_query.ROW, then the names."""
    return JobRow(
        id=row[0],
        name=row[1],
        submitter=row[12],
        device_type=row[2],
        device=row[13],
        state=_STATES[row[3]],
        outcome=_OUTCOMES[row[4]],
        error_type=_ERROR_TYPES[row[5]],
        priority=row[6],
        tags=tuple(row[7]),
        is_public=is_public(row[8]),
        submitted_at=row[9].astimezone(UTC),
        started_at=row[10] and row[10].astimezone(UTC),
        ended_at=row[11] and row[11].astimezone(UTC),
    )


_STATES = {state.value: state for state in JobState}
_OUTCOMES: Mapping[str | None, Outcome | None] = {
    None: None,
    **{outcome.value: outcome for outcome in Outcome},
}
_ERROR_TYPES: Mapping[str | None, ErrorType | None] = {
    None: None,
    **{kind.value: kind for kind in ErrorType},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Who asks for which part of a list."""

    viewer: Viewer
    wanted: JobFilter
    window: timedelta | None
    below: int | None = None
    above: int | None = None


def _search(session: Session, asked: _Asked) -> Search | None:
    """Return what to look for, None when there can be nothing: one query finds all that it needs."""
    viewer, wanted = asked.viewer, asked.wanted
    if wanted.submitter == ME and viewer.is_anonymous:
        return None
    is_windowed = wanted.since is None and wanted.id is None and not wanted.is_of_unfinished
    known = prepared.run(
        session,
        _KNOWN,
        {
            "groups": list(viewer.groups),
            "me": viewer.user_id,
            "device": wanted.device,
            "submitter": viewer.name if wanted.submitter == ME else wanted.submitter,
            "since": wanted.since,
            "window": asked.window if is_windowed else None,
            "until": wanted.until,
        },
    ).one()
    pairs = (
        (wanted.device, known.device),
        (wanted.submitter, known.submitter),
        (known.since, known.first),
        (wanted.until, known.last),
    )
    if any(named is not None and found is None for named, found in pairs):
        return None
    submitter = viewer.user_id if wanted.submitter == ME else known.submitter
    filters = list(_filters(wanted, known.device, submitter))
    driving = next((one for one in filters if one.drive), None)
    rest = [one for one in filters if one is not driving]
    is_own = submitter is not None and submitter == viewer.user_id
    audiences = _audiences(viewer, known, is_own=is_own)
    return Search(
        drive=driving.drive if driving and driving.drive else Drive(),
        audiences=audiences,
        own=() if audiences is None or submitter is not None else _own(known),
        range=tuple(_range(known, asked)),
        moments=tuple(_moments(known, wanted)),
        rest=tuple(one.condition for one in rest),
        is_costly=wanted.verdict is not None,
        own_rest=tuple(one.condition for one in filters if one.is_covered),
        values=_values(filters, known, asked),
    )


@dataclass(frozen=True, slots=True)
class _Filter:
    """A condition on the columns of `job`, its parameters, and how it drives a list, if it can.

    `is_covered`: the index of own jobs has its column.
    """

    condition: str
    values: Mapping[str, object]
    drive: Drive | None = None
    is_covered: bool = True


def _filters(wanted: JobFilter, device: int | None, submitter: int | None) -> Iterator[_Filter]:
    """Yield the filters, those that find the fewest jobs first."""
    yield from _equal("device_id", device)
    yield from _equal("submitter_id", submitter)
    for number, (name, value) in enumerate(wanted.labels):
        yield _label(number, name, value)
    yield from _equal("host", wanted.host)
    if wanted.error_types:
        yield _any("error_type", wanted.error_types)
    if wanted.states:
        yield _state(wanted)
    yield from _equal("device_type", wanted.device_type)
    if wanted.outcomes:
        yield _any("outcome", wanted.outcomes)
    yield from _filters_without_index(wanted)


def _filters_without_index(wanted: JobFilter) -> Iterator[_Filter]:
    if wanted.name is not None:
        condition = "strpos(lower(name), lower(:name)) > 0"
        yield _Filter(condition, {"name": wanted.name}, is_covered=False)
    if wanted.priority is not None:
        yield _Filter("priority = :priority", {"priority": wanted.priority}, is_covered=False)
    if wanted.error_text is not None:
        condition = "strpos(lower(error_message), lower(:error_text)) > 0"
        yield _Filter(condition, {"error_text": wanted.error_text}, is_covered=False)
    if wanted.verdict is not None:
        yield _Filter(_HAS_VERDICT.format(column=_CASES[wanted.verdict]), {}, is_covered=False)


def _equal(column: str, value: object) -> Iterator[_Filter]:
    if value is not None:
        yield _any(column, (value,))


def _any(column: str, values: tuple[object, ...]) -> _Filter:
    return _Filter(
        f"{column} = ANY(:any_{column})",
        {f"any_{column}": list(values)},
        Drive(f"{column} = :value", values),
    )


def _state(wanted: JobFilter) -> _Filter:
    """Return the filter for states: finished ones have an index of their own."""
    found = _any("state", wanted.states)
    if wanted.is_of_unfinished:
        return replace(found, drive=Drive("state = :value AND state <> 'finished'", wanted.states))
    if set(wanted.states) == {JobState.FINISHED}:
        return replace(found, drive=Drive("state = 'finished'"))
    return replace(found, drive=None)


def _label(number: int, name: str, value: str) -> _Filter:
    condition = (
        "(SELECT true FROM job_label AS label WHERE label.job_id = job.id"  # noqa: S608 - constants
        f" AND label.name = :label_{number} AND label.value = :text_{number} LIMIT 1)"
    )
    return _Filter(
        condition,
        {f"label_{number}": name, f"text_{number}": value},
        Drive(f"name = :label_{number} AND value = :value", (value,), by_label=True),
        is_covered=False,
    )


def _audiences(
    viewer: Viewer, known: Row[*tuple[Any, ...]], *, is_own: bool
) -> tuple[int, ...] | None:
    if viewer.is_admin or is_own:
        return None
    return (PUBLIC,) if viewer.is_anonymous else tuple(known.satisfied)


def _own(known: Row[*tuple[Any, ...]]) -> tuple[int, ...]:
    """Return the audiences for which the viewer submitted jobs and whose rule asks for more."""
    return tuple(sorted(set(known.submitted or ()) - set(known.satisfied or ())))


def _range(known: Row[*tuple[Any, ...]], asked: _Asked) -> Iterator[tuple[str, str]]:
    """Yield between which ids to look: they come in the order of submission, but for minutes."""
    if asked.below is not None:
        yield "<", "below"
    if asked.above is not None:
        yield ">", "above"
    if known.since is not None:
        yield ">=", "first"
    if asked.wanted.until is not None:
        yield "<=", "last"
    if asked.wanted.id is not None:
        yield ">=", "id"
        yield "<=", "id"


def _moments(known: Row[*tuple[Any, ...]], wanted: JobFilter) -> Iterator[str]:
    if known.since is not None:
        yield "submitted_at >= :since"
    if wanted.until is not None:
        yield "submitted_at < :until"


def _values(
    filters: list[_Filter], known: Row[*tuple[Any, ...]], asked: _Asked
) -> dict[str, object]:
    values: dict[str, object] = {
        "me": asked.viewer.user_id,
        "below": asked.below,
        "above": asked.above,
        "first": known.first,
        "last": known.last,
        "since": known.since,
        "until": asked.wanted.until,
        "id": asked.wanted.id,
    }
    for one in filters:
        values |= one.values
    return values


_CASES = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.SKIP: "skipped",
    Verdict.UNKNOWN: "unknown",
}
# A scalar query is never turned into a join, which would read the suites of all jobs.
_HAS_VERDICT = """
(SELECT true FROM test_suite AS suite
  WHERE suite.job_id = job.id AND suite.run_id IS NOT DISTINCT FROM job.run_id
    AND suite.submitted_on = CAST(job.submitted_at AT TIME ZONE 'UTC' AS date)
    AND suite.{column} > 0 LIMIT 1)
"""

# Ids and moments of submission part by seconds at most, as requests that come in together do. A few
# more rows are looked at, so that one with a wrong moment does not hide others.
_KNOWN = """
SELECT bound.since,
       (SELECT array_agg(id) FROM audience
         WHERE groups <@ CAST(%(groups)s AS bigint[])
           AND (owner_id IS NULL OR owner_id = %(me)s)
           AND (any_of IS NULL OR any_of && CAST(%(groups)s AS bigint[]))) AS satisfied,
       (SELECT array_agg(audience_id) FROM audience_submitter WHERE user_id = %(me)s) AS submitted,
       (SELECT id FROM device WHERE name = %(device)s) AS device,
       (SELECT id FROM "user" WHERE name = %(submitter)s) AS submitter,
       (SELECT min(id)
          FROM (SELECT id FROM job WHERE submitted_at >= bound.since - interval '5 minutes'
                 ORDER BY submitted_at, id LIMIT 100) AS earliest) AS first,
       (SELECT max(id)
          FROM (SELECT id FROM job WHERE submitted_at < bound.until + interval '5 minutes'
                 ORDER BY submitted_at DESC, id DESC LIMIT 100) AS latest) AS last
  FROM (SELECT coalesce(CAST(%(since)s AS timestamptz), now() - CAST(%(window)s AS interval)) AS since,
               CAST(%(until)s AS timestamptz) AS until) AS bound
"""
