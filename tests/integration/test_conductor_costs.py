"""What hot paths cost in statements, so that they stay cheap."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.blobs import Logs
from labq.conductor.apply import Applier
from labq.conductor.entries import Entry
from labq.conductor.logstore import LogStore
from labq.conductor.scheduler import Scheduler
from labq.models.run import Run
from labq.services.transitions import Work
from labq.streams import ReceivedBatch
from tests.integration.conductor_lab import (
    BOOT,
    HOST,
    TEST,
    Lab,
    began,
    ended,
    result,
    whole_run,
)


def test_a_submission_costs_seven_statements(lab: Lab, statements: list[str]) -> None:
    lab.submit()
    assert len(statements) <= 7


@pytest.mark.parametrize("number", [1, 8])
def test_pairing_costs_as_much_for_many_jobs_as_for_one(
    bare_lab: Lab, statements: list[str], number: int
) -> None:
    _add_boards(bare_lab, number)
    scheduler = Scheduler(bare_lab.lead(), bare_lab.client, ())
    for _ in range(number):
        bare_lab.submit()
    statements.clear()
    scheduler.work(frozenset({Work.PAIRING}))
    assert len(statements) <= 19
    assert len(bare_lab.messages()) == number


def test_pairing_nothing_costs_three_statements(lab: Lab, statements: list[str]) -> None:
    scheduler = Scheduler(lab.lead(), lab.client, ())
    statements.clear()
    scheduler.work(frozenset({Work.PAIRING}))
    assert len(statements) == 3


@pytest.mark.parametrize("number", [1, 8])
def test_events_cost_as_much_for_many_runs_as_for_one(
    bare_lab: Lab, statements: list[str], number: int
) -> None:
    runs = _runs(bare_lab, number)
    applier = Applier(bare_lab.lead(), HOST)
    events = [event for run in runs for event in (began(run, BOOT), ended(run, BOOT, TEST))]
    results = [result(run, BOOT, "login") for run in runs]
    statements.clear()
    applier.store(0, [Entry("1-1", ReceivedBatch(1, (*events, *results)))], None)
    assert len(statements) <= 15
    statements.clear()
    rest = [event for run in runs for event in whole_run(run)[2:]]
    first = len(events) + len(results) + 1
    applier.store(first - 1, [Entry("1-2", ReceivedBatch(first, tuple(rest)))], None)
    assert len(statements) <= 17
    assert all(bare_lab.run_by_id(run).ended_at for run in runs)


@pytest.mark.parametrize("number", [1, 8])
def test_logs_cost_as_much_for_many_runs_as_for_one(
    bare_lab: Lab, statements: list[str], number: int
) -> None:
    runs = _runs(bare_lab, number)
    store = LogStore(bare_lab.lead(), bare_lab.client, Logs(bare_lab.settings.blobs))
    for run in runs:
        bare_lab.log(run, 0, b"line\n")
    statements.clear()
    store.turn()
    assert len(statements) <= 6
    assert all(bare_lab.log_of(run).lines == 1 for run in runs)


def _add_boards(lab: Lab, number: int) -> None:
    lab.prepare(boards=number)
    lab.online()


def _runs(lab: Lab, number: int) -> list[int]:
    """Return runs that were sent."""
    _add_boards(lab, number)
    for _ in range(number):
        lab.submit()
    Scheduler(lab.lead("scheduler"), lab.client, ()).work(frozenset({Work.PAIRING}))
    lab.expire()
    with Session(lab.engine) as session:
        return list(session.scalars(select(Run.id).order_by(Run.id)))
