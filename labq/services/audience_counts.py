"""How many jobs a viewer sees and where in their list a place is, known without counting the jobs.

The counts are kept by `services/tally.py` and `services/rollups.py`, as those of pages are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from labq.models.rollup import BLOCK, EVERY_AUDIENCE
from labq.services.audiences import Audiences

UNFINISHED = ""
"""What stands for an outcome where there is none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Who looks: the audiences all of whose jobs are seen, and those with jobs of their own."""

    audiences: Audiences
    user_id: int | None

    @property
    def has_own(self) -> bool:
        """Tell whether there are audiences of which this viewer sees the own jobs alone."""
        return bool(self.audiences.foreign)

    def values(self) -> dict[str, object]:
        """Return the parameters that all statements here have."""
        satisfied = self.audiences.satisfied
        return {
            "is_all": satisfied is None,
            "audiences": [EVERY_AUDIENCE] if satisfied is None else list(satisfied),
            **(
                {"foreign": list(self.audiences.foreign), "me": self.user_id}
                if self.has_own
                else {}
            ),
            "size": BLOCK,
        }


@dataclass(frozen=True, slots=True)
class Place:
    """Where a place in a list is: among the ids of [first, last], `skipped` of whose jobs come before."""

    first: int
    last: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """How many jobs a viewer sees by block of ids, in order of the ids."""

    jobs: Mapping[int, int]

    @property
    def count(self) -> int:
        """Return how many there are in all."""
        return sum(self.jobs.values())

    def find(self, offset: int, *, is_upward: bool) -> Place | None:
        """Return where the job is that has `offset` others before it, None beyond the last one."""
        before = 0
        for block in sorted(self.jobs, reverse=not is_upward):
            if before + self.jobs[block] > offset:
                return Place(block * BLOCK, block * BLOCK + BLOCK - 1, offset - before)
            before += self.jobs[block]
        return None

    def between(self, first: int, last: int) -> tuple[int, list[tuple[int, int]]]:
        """Return how many jobs are in blocks that lie between two ids, and what is left of others."""
        whole, rest = 0, []
        for block, jobs in self.jobs.items():
            begin, end = block * BLOCK, block * BLOCK + BLOCK - 1
            if first <= begin and end <= last:
                whole += jobs
            elif begin <= last and first <= end:
                rest.append((max(begin, first), min(end, last)))
        return whole, rest


def count(
    session: Session,
    seen: Seen,
    *,
    device_types: Collection[str],
    outcomes: Collection[str] | None = None,
) -> int:
    """Return how many jobs of some types a viewer sees, of some outcomes or of all."""
    values = {**seen.values(), "types": list(device_types), **_outcomes(outcomes)}
    return int(session.scalars(_COUNT[seen.has_own], values).one())


def find_blocks(session: Session, seen: Seen, *, outcomes: Collection[str] | None = None) -> Blocks:
    """Return how many jobs a viewer sees by block, of some outcomes or of all."""
    values = {**seen.values(), **_outcomes(outcomes)}
    rows = session.execute(_BLOCKS[seen.has_own], values)
    return Blocks({row.block: row.jobs for row in rows})


def recount(session: Session) -> None:
    """Count anew what is known by audience, while jobs come and go. The caller commits."""
    session.execute(text("LOCK TABLE day_count IN SHARE UPDATE EXCLUSIVE MODE"))
    for table, key in (("audience_count", "device_type"), ("block_count", "block")):
        session.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - constants
        statement = _RECOUNT.format(table=table, key=key, moves=_MOVES)
        session.execute(text(statement), {"every": EVERY_AUDIENCE, "size": BLOCK})


def _outcomes(wanted: Collection[str] | None) -> dict[str, object]:
    return {"outcomes": None if wanted is None else list(wanted)}


# What is not folded yet. A row moves the number of jobs that are not finished, or of those that are.
_MOVES = """
SELECT count_delta.audience_id, device_type, block, moved.outcome, moved.jobs
  FROM count_delta, LATERAL (VALUES ('', waiting + active), (count_delta.outcome, jobs - gone))
                    AS moved (outcome, jobs)
 WHERE count_delta.audience_id IS NOT NULL AND moved.jobs <> 0
"""
_IS_SEEN = "(:is_all OR audience_id = ANY(:audiences))"
_IS_WANTED = "(CAST(:outcomes AS text[]) IS NULL OR outcome = ANY(:outcomes))"
# Not asked without need: the planner thinks of all jobs of a type.
_OWN = """
UNION ALL
SELECT device_type, id / :size, coalesce(outcome, ''), 1
  FROM job WHERE submitter_id = :me AND audience_id = ANY(:foreign) AND audience_id <> 0
"""


def _counted(table: str, key: str, own: str) -> str:
    """Return what a viewer sees by a key: what is folded, what is not yet, and own jobs."""
    other = "NULL::bigint AS block" if key == "device_type" else "NULL AS device_type"
    columns = "device_type, block, outcome, jobs"
    folded = (
        f"SELECT {key}, {other}, outcome, jobs FROM {table} WHERE audience_id = ANY(:audiences)"  # noqa: S608
    )
    return f"""
(SELECT {columns} FROM ({folded}) AS folded
 UNION ALL
 SELECT {columns} FROM ({_MOVES}) AS moves WHERE {_IS_SEEN}
 {own}) AS every
"""  # noqa: S608 - put together from constants


def _sum(own: str) -> TextClause:
    counted = _counted("audience_count", "device_type", own)
    wanted = f"device_type = ANY(:types) AND {_IS_WANTED}"
    return text(f"SELECT coalesce(sum(jobs), 0)::bigint FROM {counted} WHERE {wanted}")  # noqa: S608


def _by_block(own: str) -> TextClause:
    counted = _counted("block_count", "block", own)
    return text(f"""
SELECT block, sum(jobs)::bigint AS jobs FROM {counted} WHERE {_IS_WANTED}
 GROUP BY block HAVING sum(jobs) > 0 ORDER BY block
""")  # noqa: S608 - as above


_COUNT = {False: _sum(""), True: _sum(_OWN)}
_BLOCKS = {False: _by_block(""), True: _by_block(_OWN)}
_RECOUNT = """
INSERT INTO {table} (audience_id, {key}, outcome, jobs)
SELECT shown.audience_id, {key}, outcome, sum(jobs)
  FROM (SELECT audience_id, device_type, id / :size AS block, coalesce(outcome, '') AS outcome,
               1 AS jobs
          FROM job
        UNION ALL
        SELECT audience_id, device_type, block, outcome, - jobs FROM ({moves}) AS moves) AS every,
       LATERAL (VALUES (every.audience_id), (:every)) AS shown (audience_id)
 GROUP BY 1, 2, 3 HAVING sum(jobs) <> 0
"""
