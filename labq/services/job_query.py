"""The SQL of job lists: rows that a viewer may see, merged in order of their ids from arms.

An arm is one descent of an index all of whose rows may be seen; it is read as far as a page needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

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
ARM_STEP = 8
"""Arms are made by so many: two viewers in a few audiences more or less share a statement."""
MOST_SHAPES = 200
_COLUMNS = (
    "id, name, submitter_id, device_type, device_id, state, outcome, error_type, priority, tags,"
    " audience_id, submitted_at, started_at, ended_at, host, run_id, error_message"
)

ROW = (
    "id",
    "name",
    "device_type",
    "state",
    "outcome",
    "error_type",
    "priority",
    "tags",
    "audience_id",
    "submitted_at",
    "started_at",
    "ended_at",
)
"""What a page has of a job, in this order, before the names of its submitter and device."""
_WALK = "LIMIT (SELECT CAST(:walk AS bigint))"
_PLACE = re.compile(r":(\w+)")
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
class Shape:
    """What of a list its statement is made of: all but the values, so that few statements do for all.

    `values` is how many values of the filter drive it, each of which is a `kind`; `audiences` how
    many arms there are for each, None for one that sees everything. See `Search` for the rest.
    """

    condition: str
    values: int
    kind: str
    by_label: bool
    audiences: int | None
    has_own: bool
    range: tuple[tuple[str, str], ...]
    moments: tuple[str, ...]
    rest: tuple[str, ...]
    own_rest: tuple[str, ...]
    is_upward: bool
    is_merged: bool

    @property
    def conditions(self) -> tuple[str, ...]:
        """Return what is asked of the rows that the arms deliver; labels know no moments."""
        return (*self.rest, *(self.moments if self.by_label else ()))

    @property
    def is_for_all_values(self) -> bool:
        """Tell whether one plan does for all values.

        The own jobs with a label are found from the jobs or from the label, whichever are fewer.
        """
        return not (self.by_label and self.has_own)

    @property
    def is_by_id(self) -> bool:
        """Tell whether a primary key delivers: the plain list and one by label, of everything."""
        return self.audiences is None and (not self.condition or self.by_label)

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
            return [f"{column} {sign} {_bigint(value)}" for sign, value in self.range]
        return [
            f"(- {column}) {_MIRRORED[sign]} (- {_bigint(value)})" for sign, value in self.range
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A list: what drives it, what narrows it, and who looks.

    `audiences` None sees everything; `own` are audiences of which the submitter `me` sees the own
    jobs. `range` are comparisons of the id with a value, `moments` on the moment of submission,
    `rest` those that do not drive; `own_rest` are all on columns in the index of own jobs. With
    `is_upward` the oldest rows come first, as for the page above one. `is_costly`: a condition in
    `rest` looks something up for each row. Conditions have places for values as `:name`.
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
        return bool(self.shape.conditions)

    @property
    def is_merged(self) -> bool:
        """Tell whether there are few enough arms to be merged."""
        audiences = 1 if self.audiences is None else len(self.audiences)
        return audiences * max(1, len(self.drive.values)) <= MOST_ARMS

    @property
    def shape(self) -> Shape:
        """Return what the statement is made of."""
        drive = self.drive
        return Shape(
            condition=drive.condition,
            values=len(drive.values),
            kind="bigint" if drive.values and isinstance(drive.values[0], int) else "text",
            by_label=drive.by_label,
            audiences=None if self.audiences is None else len(self._places()),
            has_own=bool(self.own),
            range=self.range,
            moments=self.moments,
            rest=self.rest,
            own_rest=self.own_rest,
            is_upward=self.is_upward,
            is_merged=self.is_merged,
        )

    def walk(self, rows: int) -> int:
        """Return how many rows the arms deliver at most."""
        if not self.is_narrowed:
            return rows
        is_quick = self.is_merged and not self.is_costly
        return max(rows, WALK if is_quick else NARROW_WALK)

    def bound(self) -> dict[str, object]:
        """Return the values of the statement's places, but for those of a page."""
        values = {**self.values, "own": list(self.own)}
        values |= {f"value_{number}": value for number, value in enumerate(self.drive.values)}
        if not self.is_merged:
            drives = list(self.drive.values)
            return {**values, "audiences": list(self.audiences or ()), "drives": drives}
        return values | {f"audience_{number}": one for number, one in enumerate(self._places())}

    def _places(self) -> tuple[int | None, ...]:
        """Return the audiences, and nulls, for which nothing is read, up to one of a few numbers."""
        found = self.audiences or ()
        if not self.is_merged:
            return found
        return (*found, *(None,) * (-len(found) % ARM_STEP if len(found) > 1 else 0))


def page(search: Search, rows: int) -> tuple[str, dict[str, object]]:
    """Return the statement for a page's rows, with the names of submitters and devices.

    Of a narrowed search each row has `walked_to` as well, and without rows there is one of nothing
    else: the last id that was looked at, null where the page is full or the arms ran dry.
    """
    walk = search.walk(rows)
    values = {**search.bound(), "walk": walk, "rows": rows, "skipped": walk - 1}
    return _page(search.shape), values


def count(search: Search, most: int) -> tuple[str, dict[str, object]]:
    """Return the statement that counts the rows, up to `most`, and those that were looked at."""
    walk = WALK if search.is_narrowed else most
    return _count(search.shape), {**search.bound(), "walk": walk}


@lru_cache(maxsize=MOST_SHAPES)
def _page(shape: Shape) -> str:
    found = _found(shape)
    statement = f"""
SELECT {_listed("job")}, submitter.name AS submitter, device.name AS device
  FROM (SELECT * FROM {found} AS job{_where(shape.conditions)}
         ORDER BY {shape.order} LIMIT :rows) AS job
  JOIN (SELECT id, name FROM "user" OFFSET 0) AS submitter ON submitter.id = job.submitter_id
  LEFT JOIN device ON device.id = job.device_id
 ORDER BY job.id DESC
"""  # noqa: S608 - put together from constants and names of parameters
    if shape.conditions:
        statement = f"""
WITH page AS MATERIALIZED ({statement})
SELECT {_listed("page")}, page.submitter, page.device, walked.walked_to
  FROM (SELECT CASE WHEN (SELECT count(*) FROM page) < :rows THEN
          (SELECT id FROM {found} AS job ORDER BY {shape.order} OFFSET :skipped LIMIT 1)
        END AS walked_to) AS walked
  LEFT JOIN page ON true
 ORDER BY page.id DESC
"""  # noqa: S608 - as above
    return _placed(statement)


@lru_cache(maxsize=MOST_SHAPES)
def _count(shape: Shape) -> str:
    fits = " AND ".join(shape.conditions) or "true"
    return _placed(f"""
SELECT count(*) FILTER (WHERE {fits}) AS jobs, count(*) AS walked FROM {_found(shape)} AS job
""")  # noqa: S608 - as above


def _placed(statement: str) -> str:
    """Return the statement with the places of its values as the driver has them."""
    return _PLACE.sub(r"%(\1)s", statement)


def _listed(table: str) -> str:
    return ", ".join(f"{table}.{column}" for column in ROW)


def _found(shape: Shape) -> str:
    """Return the rows that the arms deliver, as something to select from."""
    arms = list(_arms(shape)) if shape.is_merged else [_lateral(shape)]
    if shape.has_own:
        arms.append(_own_arm(shape))
    merged = f"({' UNION ALL '.join(arms)}) AS arm ORDER BY {shape.order} LIMIT :walk"
    if shape.by_label:
        # Arms by label know ids alone.
        jobs = f"SELECT job.*, place FROM (SELECT * FROM {merged}) AS arm JOIN job USING (id)"  # noqa: S608
        return f"({jobs})"
    return f"(SELECT * FROM {merged})"  # noqa: S608 - as above


def _arms(shape: Shape) -> Iterator[str]:
    conditions = [
        shape.condition.replace(":value", f":value_{number}") for number in range(shape.values)
    ] or [shape.condition]
    places: Sequence[int | None] = (None,) if shape.audiences is None else range(shape.audiences)
    for condition in conditions:
        for place in places:
            is_seen = "" if place is None else f"audience_id = :audience_{place}"
            yield _arm(shape, condition, is_seen)


def _arm(shape: Shape, *conditions: str) -> str:
    where = [*filter(None, conditions)]
    if shape.by_label:
        where += shape.between("job_id")
        source = f"SELECT job_id AS id, (- job_id) AS place FROM job_label{_where(where)}"  # noqa: S608
        return f"({source} ORDER BY {shape.arm_order('job_id')} {_WALK})"
    where += [*shape.between(), *shape.moments]
    source = f"SELECT {_COLUMNS}, (- id) AS place FROM job{_where(where)}"  # noqa: S608 - as above
    return f"({source} ORDER BY {shape.arm_order()} {_WALK})"


def _lateral(shape: Shape) -> str:
    """Return one arm for all audiences: each is asked for a whole page, so their number costs."""
    condition = shape.condition.replace(":value", "drive.value")
    arm = _arm(shape, condition, "audience_id = audience.id")
    drives = f"unnest(CAST(:drives AS {shape.kind}[])) AS drive (value)," if shape.values else ""
    return f"""
(SELECT arm.* FROM unnest(CAST(:audiences AS integer[])) AS audience (id),
        {drives} LATERAL {arm} AS arm ORDER BY {shape.order} {_WALK})
"""  # noqa: S608 - as above


def _own_arm(shape: Shape) -> str:
    """Return the arm of own jobs: found in an index that has the columns of filters."""
    where = ["submitter_id = :me", "audience_id = ANY(:own)", "audience_id <> 0"]
    where += [*shape.between(), *shape.moments, *shape.own_rest]
    if shape.by_label:
        label = shape.condition.replace(":value", ":value_0")
        where += [f"EXISTS (SELECT FROM job_label WHERE {label} AND job_id = job.id)"]
    found = f"SELECT id, (- id) AS place FROM job{_where(where)}"  # noqa: S608 - as above
    found += f" ORDER BY {shape.arm_order()} {_WALK}"
    if shape.by_label:
        return f"({found})"
    rows = f"SELECT {_COLUMNS}, place FROM ({found}) AS own JOIN job USING (id)"  # noqa: S608
    return f"({rows} ORDER BY {shape.order})"


def _bigint(value: str) -> str:
    return f"CAST(:{value} AS bigint)"


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
