"""The SQL of job lists: rows that a viewer may see, merged in order of their ids from arms.

An arm is one descent of an index all of whose rows may be seen; it is read as far as a page needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import TextClause, text

# An arm has the jobs of one audience with one value of the filter that drives the list, so jobs that
# may not be seen cost nothing. Filters that do not drive are applied to what the arms deliver, WALK
# rows at most: then the page ends early.
#
# Little of this is left to statistics. Arms are ordered by `-id`, as the indexes made for lists are:
# of the others only the plain one of the audience delivers that order. `LIMIT (SELECT ...)` hides the
# number from the planner, which then does not sort what it believes to be few rows. `OFFSET 0` has
# the names of all users read at once, a page for each 150, where 26 descents would read 52.
MOST_ARMS = 40
WALK = 5_000
NARROW_WALK = 500
"""The same of each arm when there are more than MOST_ARMS, which are not merged, and of costly ones."""
_COLUMNS = (
    "id, name, submitter_id, device_type, device_id, state, outcome, error_type, priority, tags,"
    " audience_id, submitted_at, started_at, ended_at, host, run_id, error_message"
)

_MIRRORED = {"<": ">", ">": "<", ">=": "<=", "<=": ">="}


@dataclass(frozen=True, slots=True)
class Drive:
    """What finds the rows: a condition with `:value`, and its values, of which any will do.

    `by_label`: the condition is one on `job_label`.
    """

    condition: str = ""
    values: tuple[object, ...] = ()
    by_label: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A list: what drives it, what narrows it, and who looks.

    `audiences` None sees everything; `own` are audiences of which the submitter `me` sees the own
    jobs. `range` are comparisons of the id with a value, `moments` on the moment of submission,
    `rest` those that do not drive; `own_rest` are all on columns in the index of own jobs. With
    `is_upward` the oldest rows come first, as for the page above one. `is_costly`: a condition in
    `rest` looks something up for each row.
    """

    drive: Drive
    audiences: tuple[int, ...] | None
    own: tuple[int, ...] = ()
    range: tuple[tuple[str, str], ...] = ()
    moments: tuple[str, ...] = ()
    rest: tuple[str, ...] = ()
    own_rest: tuple[str, ...] = ()
    is_upward: bool = False
    is_costly: bool = False
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_narrowed(self) -> bool:
        """Tell whether the arms deliver rows that do not fit."""
        return bool(self.conditions)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return what is asked of the rows that the arms deliver; labels know no moments."""
        return (*self.rest, *(self.moments if self.drive.by_label else ()))

    @property
    def is_merged(self) -> bool:
        """Tell whether there are few enough arms to be merged."""
        audiences = 1 if self.audiences is None else len(self.audiences)
        return audiences * max(1, len(self.drive.values)) <= MOST_ARMS

    @property
    def is_by_id(self) -> bool:
        """Tell whether a primary key delivers: the plain list and one by label, of everything."""
        return self.audiences is None and (not self.drive.condition or self.drive.by_label)

    @property
    def order(self) -> str:
        """Return the order of what the arms deliver."""
        if self.is_by_id:
            return "id" if self.is_upward else "id DESC"
        return "place DESC" if self.is_upward else "place"

    def arm_order(self, column: str = "id") -> str:
        """Return the order of one arm, of jobs or of labels."""
        if self.is_by_id:
            return column if self.is_upward else f"{column} DESC"
        return f"(- {column}) DESC" if self.is_upward else f"(- {column})"

    def between(self, column: str = "id") -> list[str]:
        """Return the conditions of `range`, on what the arm is ordered by."""
        if self.is_by_id:
            return [f"{column} {sign} :{value}" for sign, value in self.range]
        return [f"(- {column}) {_MIRRORED[sign]} (- :{value})" for sign, value in self.range]

    def walk(self, rows: int) -> int:
        """Return how many rows the arms deliver at most."""
        if not self.is_narrowed:
            return rows
        is_quick = self.is_merged and not self.is_costly
        return max(rows, WALK if is_quick else NARROW_WALK)


def page(search: Search, rows: int) -> tuple[TextClause, dict[str, object]]:
    """Return the statement for a page's rows, with the names of submitters and devices.

    Of a narrowed search each row has `walked_to` as well, and without rows there is one of nothing
    else: the last id that was looked at, null where the page is full or the arms ran dry.
    """
    walk = search.walk(rows)
    found, values = _found(search, walk)
    statement = f"""
SELECT job.*, submitter.name AS submitter, device.name AS device
  FROM (SELECT * FROM {found} AS job{_where(search.conditions)}
         ORDER BY {search.order} LIMIT :rows) AS job
  JOIN (SELECT id, name FROM "user" OFFSET 0) AS submitter ON submitter.id = job.submitter_id
  LEFT JOIN device ON device.id = job.device_id
 ORDER BY job.id DESC
"""  # noqa: S608 - put together from constants and names of parameters
    if search.is_narrowed:
        statement = f"""
WITH page AS MATERIALIZED ({statement})
SELECT page.*, walked.walked_to
  FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < :rows THEN
          (SELECT id FROM {found} AS job ORDER BY {search.order} OFFSET :skipped LIMIT 1)
        END AS walked_to) AS walked
  LEFT JOIN page ON true
 ORDER BY page.id DESC
"""  # noqa: S608 - as above
    return text(statement), {**values, "rows": rows, "skipped": walk - 1}


def count(search: Search, most: int) -> tuple[TextClause, dict[str, object]]:
    """Return the statement that counts the rows, up to `most`, and those that were looked at."""
    walk = WALK if search.is_narrowed else most
    found, values = _found(search, walk)
    fits = " AND ".join(search.conditions) or "true"
    statement = f"""
SELECT count(*) FILTER (WHERE {fits}) AS jobs, count(*) AS walked FROM {found} AS job
"""  # noqa: S608 - as above
    return text(statement), values


def _found(search: Search, walk: int) -> tuple[str, dict[str, object]]:
    """Return the rows that the arms deliver, as something to select from, and its parameters."""
    values = {**search.values, "walk": walk}
    for number, value in enumerate(search.drive.values):
        values[f"value_{number}"] = value
    if search.is_merged:
        arms = list(_arms(search))
    else:
        arms = [_lateral(search)]
        values |= {"audiences": list(search.audiences or ()), "drives": list(search.drive.values)}
    if search.own:
        arms.append(_own_arm(search))
        values["own"] = list(search.own)
    merged = f"({' UNION ALL '.join(arms)}) AS arm ORDER BY {search.order} LIMIT :walk"
    if search.drive.by_label:
        # Arms by label know ids alone.
        jobs = f"SELECT job.*, place FROM (SELECT * FROM {merged}) AS arm JOIN job USING (id)"  # noqa: S608
        return f"({jobs})", values
    return f"(SELECT * FROM {merged})", values  # noqa: S608 - as above


def _arms(search: Search) -> Iterator[str]:
    audiences: Sequence[int | None] = (None,) if search.audiences is None else search.audiences
    conditions = [
        search.drive.condition.replace(":value", f":value_{number}")
        for number in range(len(search.drive.values))
    ] or [search.drive.condition]
    for condition in conditions:
        for audience in audiences:
            is_seen = "" if audience is None else f"audience_id = {audience:d}"
            yield _arm(search, condition, is_seen)


def _arm(search: Search, *conditions: str) -> str:
    where = [*filter(None, conditions)]
    if search.drive.by_label:
        where += search.between("job_id")
        source = f"SELECT job_id AS id, (- job_id) AS place FROM job_label{_where(where)}"  # noqa: S608
        return f"({source} ORDER BY {search.arm_order('job_id')} LIMIT (SELECT :walk))"
    where += [*search.between(), *search.moments]
    source = f"SELECT {_COLUMNS}, (- id) AS place FROM job{_where(where)}"  # noqa: S608 - as above
    return f"({source} ORDER BY {search.arm_order()} LIMIT (SELECT :walk))"


def _lateral(search: Search) -> str:
    """Return one arm for all audiences: each is asked for a whole page, so their number costs."""
    condition = search.drive.condition.replace(":value", "drive.value")
    arm = _arm(search, condition, "audience_id = audience.id")
    return f"""
(SELECT arm.* FROM unnest(CAST(:audiences AS integer[])) AS audience (id),
        {_values(search)} LATERAL {arm} AS arm ORDER BY {search.order} LIMIT (SELECT :walk))
"""  # noqa: S608 - as above


def _values(search: Search) -> str:
    if not search.drive.values:
        return ""
    kind = "bigint" if isinstance(search.drive.values[0], int) else "text"
    return f"unnest(CAST(:drives AS {kind}[])) AS drive (value),"


def _own_arm(search: Search) -> str:
    """Return the arm of own jobs: found in an index that has the columns of filters."""
    where = ["submitter_id = :me", "audience_id = ANY(:own)", "audience_id <> 0"]
    where += [*search.between(), *search.moments, *search.own_rest]
    if search.drive.by_label:
        label = search.drive.condition.replace(":value", ":value_0")
        where += [f"EXISTS (SELECT FROM job_label WHERE {label} AND job_id = job.id)"]
    found = f"SELECT id, (- id) AS place FROM job{_where(where)}"  # noqa: S608 - as above
    found += f" ORDER BY {search.arm_order()} LIMIT (SELECT :walk)"
    if search.drive.by_label:
        return f"({found})"
    rows = f"SELECT {_COLUMNS}, place FROM ({found}) AS own JOIN job USING (id)"  # noqa: S608
    return f"({rows} ORDER BY {search.order})"


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
