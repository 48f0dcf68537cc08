"""Rows of tables as JSON and back: what an archived job is made of, kind by kind."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Numeric,
    Select,
    Table,
    and_,
    insert,
    null,
    or_,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator

from labq.domain.errors import InfrastructureError
from labq.domain.retention import Kind
from labq.domain.states import DeliveryState
from labq.models.artifact import Artifact
from labq.models.base import Base, table_of
from labq.models.control import Audit
from labq.models.delivery import Delivery
from labq.models.device import Reservation
from labq.models.job import Job, JobDefinition, JobLabel
from labq.models.job_group import GroupMember, JobGroup
from labq.models.partition import day_of
from labq.models.result import TestCase, TestSuite
from labq.models.run import Run, RunLog, RunPlan, Step

CONSOLE_NAMES = "console-%.raw.zst"
Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Scope:
    """The job whose rows are meant, its runs, their steps (`<run>/<position>`), and its day."""

    job: int
    runs: tuple[int, ...]
    steps: tuple[str, ...]
    day: date


def scopes(session: Session, jobs: Collection[int]) -> dict[int, Scope]:
    """Return the scopes of jobs; those that are not there are left out."""
    query = (
        select(Job.id, Job.submitted_at, Run.id.label("run"), Step.position)
        .outerjoin(Run, Run.job_id == Job.id)
        .outerjoin(Step, Step.run_id == Run.id)
        .where(Job.id.in_(jobs))
        .order_by(Job.id, Run.id, Step.position)
    )
    found: dict[int, Scope] = {}
    for job, rows in groupby(session.execute(query), key=lambda row: row.id):
        lines = list(rows)
        found[job] = Scope(
            job=job,
            runs=tuple(dict.fromkeys(row.run for row in lines if row.run is not None)),
            steps=tuple(f"{row.run}/{row.position}" for row in lines if row.position is not None),
            day=day_of(lines[0].submitted_at),
        )
    return found


def read(session: Session, kind: Kind, scope: Scope) -> Rows:
    """Return the rows of one kind of a job's data by table, in an order in which they go back."""
    return {
        table.name: [_plain(row) for row in session.execute(query).mappings()]
        for table, query in _queries(kind, scope)
    }


def dump(rows: Rows) -> bytes:
    """Return rows as JSON."""
    return json.dumps({"tables": rows}, ensure_ascii=False, default=_as_json).encode()


def load(text: bytes) -> Rows:
    """Return what `dump` made; raises InfrastructureError."""
    try:
        tables = json.loads(text)["tables"]
        return {str(name): list(rows) for name, rows in tables.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InfrastructureError(f"these are no rows of tables: {error}") from error


def write(session: Session, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Insert rows; a column that this schema has no more is left out.

    Raises InfrastructureError for a table that this schema has no more.
    """
    tables = {table_of(model).name: table_of(model) for model in _MODELS}
    for name, found in rows.items():
        if name not in tables:
            raise InfrastructureError(
                f"this labq has no table {name!r}: restore it with an older one"
            )
        table = tables[name]
        if any(row.get(column) is None for row in found for column in _json_columns(table)):
            for row in found:
                session.execute(insert(table).values(_typed(table, row)))
        elif found:
            session.execute(insert(table), [_typed(table, row) for row in found])


_MODELS: tuple[type[Base], ...] = (
    Job,
    JobDefinition,
    JobLabel,
    JobGroup,
    GroupMember,
    Run,
    Step,
    Reservation,
    Delivery,
    Audit,
    RunPlan,
    TestSuite,
    TestCase,
    RunLog,
    Artifact,
)


def _queries(kind: Kind, scope: Scope) -> Iterable[tuple[Table, Select[Any]]]:
    """Return what is read of each table."""
    match kind:
        case Kind.CONSOLE:
            return [_of(Artifact, _of_runs(Artifact, scope).where(_IS_CONSOLE))]
        case Kind.ARTIFACTS:
            return [_of(Artifact, _of_runs(Artifact, scope).where(~_IS_CONSOLE))]
        case Kind.LOGS:
            return [_of(RunLog, _of_runs(RunLog, scope).where(RunLog.submitted_on == scope.day))]
        case Kind.PLANS:
            return [_of(RunPlan, _of_runs(RunPlan, scope))]
        case Kind.RESULTS:
            return _result_queries(scope)
        case Kind.JOBS:
            return _job_queries(scope)


_IS_CONSOLE = Artifact.name.like(CONSOLE_NAMES)


def _of(model: type[Base], query: Select[Any]) -> tuple[Table, Select[Any]]:
    return table_of(model), query


def _of_runs(model: type[Base], scope: Scope) -> Select[Any]:
    table = table_of(model)
    return select(table).where(table.c.run_id.in_(scope.runs)).order_by(*table.primary_key)


def _result_queries(scope: Scope) -> list[tuple[Table, Select[Any]]]:
    suites, cases = table_of(TestSuite), table_of(TestCase)
    mine = (suites.c.job_id == scope.job) & (suites.c.submitted_on == scope.day)
    ids = select(suites.c.id).where(mine)
    of_mine = (cases.c.submitted_on == scope.day) & cases.c.suite_id.in_(ids)
    return [
        (suites, select(suites).where(mine).order_by(suites.c.id)),
        (cases, select(cases).where(of_mine).order_by(cases.c.id)),
    ]


def _job_queries(scope: Scope) -> list[tuple[Table, Select[Any]]]:
    delivered = (Delivery.job_id == scope.job) & (Delivery.state != DeliveryState.PENDING)
    return [
        _of(Job, select(table_of(Job)).where(Job.id == scope.job)),
        _of(
            JobDefinition,
            select(table_of(JobDefinition)).where(JobDefinition.job_id == scope.job),
        ),
        _of(JobLabel, select(table_of(JobLabel)).where(JobLabel.job_id == scope.job)),
        _of(JobGroup, select(table_of(JobGroup)).where(JobGroup.id == scope.job)),
        _of(GroupMember, select(table_of(GroupMember)).where(GroupMember.job_id == scope.job)),
        _of(Run, select(table_of(Run)).where(Run.job_id == scope.job).order_by(Run.id)),
        _of(Step, _of_runs(Step, scope)),
        _of(Reservation, _of_runs(Reservation, scope)),
        _of(Delivery, select(table_of(Delivery)).where(delivered).order_by(Delivery.id)),
        _of(Audit, select(table_of(Audit)).where(moves_of(scope)).order_by(Audit.id)),
    ]


def moves_of(scope: Scope) -> ColumnElement[bool]:
    """Return the condition for the audit rows of a job, its runs and their steps."""
    runs = [str(run) for run in scope.runs]
    return or_(
        and_(Audit.subject == "job", Audit.subject_id == str(scope.job)),
        and_(Audit.subject == "run", Audit.subject_id.in_(runs)),
        and_(Audit.subject == "step", Audit.subject_id.in_(scope.steps)),
    )


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


def _as_json(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    message = f"{type(value).__name__} in a row"
    raise TypeError(message)


def _typed(table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the types of this table's columns."""
    return {
        column.name: _value(column, row[column.name])
        for column in table.columns
        if column.name in row
    }


def _json_columns(table: Table) -> list[str]:
    """Return the columns whose None would become JSON's null rather than none."""
    return [
        column.name for column in table.columns if isinstance(column.type, JSON) and column.nullable
    ]


def _value(column: Column[Any], value: Any) -> Any:
    kind = column.type.impl if isinstance(column.type, TypeDecorator) else column.type
    if value is None:
        return null() if isinstance(kind, JSON) else None
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, Date):
        return date.fromisoformat(value)
    if isinstance(kind, Numeric):
        return Decimal(value)
    return value
