"""One conductor leads; one that was paused finds out before it changes anything."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from labq.conductor.lead import Lead
from labq.models.control import Leader
from labq.models.run import Run
from labq.services import leader
from labq.services.leader import LostLeadershipError
from tests.integration.conductor_lab import HOST, Lab, eventually, whole_run


def test_nobody_takes_the_lead_while_somebody_has_it(lab: Lab) -> None:
    lab.lead("first")
    with Session(lab.engine) as session, session.begin():
        assert leader.take(session, "second") is None


def test_a_transaction_of_a_term_that_is_over_rolls_back(lab: Lab) -> None:
    paused = lab.lead("first")
    lab.expire()
    lab.lead("second")
    with pytest.raises(LostLeadershipError), paused.transaction("late") as session:
        session.execute(text("DELETE FROM device"))
    assert lab.device() is not None


def test_a_term_ends_while_a_transaction_of_it_is_open_only_after_that_one(lab: Lab) -> None:
    paused = lab.lead("first")
    taken = threading.Event()
    with paused.transaction("open") as session:
        session.execute(text("UPDATE host SET description = 'before the end of the term'"))
        _expire_without_waiting(lab)
        thread = threading.Thread(target=lambda: (lab.lead("second"), taken.set()))
        thread.start()
        assert not taken.wait(0.3)
    thread.join(20)
    assert taken.is_set()
    assert lab.host().description == "before the end of the term"


def test_renewing_a_lost_term_is_refused(lab: Lab) -> None:
    first = lab.lead("first")
    lab.expire()
    lab.lead("second")
    with Session(lab.engine) as session, pytest.raises(LostLeadershipError):
        leader.renew(session, first.term)


def test_a_term_that_is_given_up_is_taken_at_once(lab: Lab) -> None:
    first = lab.lead("first")
    with Session(lab.engine) as session, session.begin():
        leader.give_up(session, first.term)
    with Session(lab.engine) as session, session.begin():
        second = leader.take(session, "second")
    assert second is not None
    assert second.number == first.term.number + 1


def test_a_loop_of_a_lost_term_ends(lab: Lab) -> None:
    lead = lab.lead("first")
    lab.expire()
    lab.lead("second")

    def loop() -> None:
        with lead.transaction("loop"):
            raise AssertionError("the transaction began")

    lead.repeat("loop", loop)
    assert lead.stop.is_set()


def test_a_loop_that_fails_begins_anew(lab: Lab) -> None:
    lead = Lead(lab.engine, lab.lead().term)
    turns: list[int] = []

    def loop() -> None:
        turns.append(1)
        if len(turns) < 3:
            raise KeyError("a bug")
        lead.stop.set()

    lead.repeat("loop", loop)
    assert len(turns) == 3


def test_two_conductors_run_each_job_once(lab: Lab) -> None:
    with lab.conducting(), lab.conducting():
        for _ in range(3):
            job = lab.submit()
            run = eventually(lambda job=job: lab.sent_run(job), "sending").id
            assert len(lab.run_orders(run)) == 1
            lab.send(*whole_run(run))
            eventually(lambda job=job: lab.is_finished(job), "the end")
    with Session(lab.engine) as session:
        assert session.scalar(select(func.count()).select_from(Run)) == 3


def test_a_second_conductor_goes_on_where_the_first_one_stopped(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
    lab.send(*whole_run(run))
    with lab.conducting():
        eventually(lambda: lab.is_finished(job), "the end")


def test_a_conductor_whose_lead_was_taken_waits_and_leads_again(lab: Lab) -> None:
    with lab.conducting():
        eventually(lambda: _term(lab) >= 1, "the first term")
        with Session(lab.engine) as session, session.begin():
            session.execute(text("UPDATE leader SET term = term + 1, holder = 'other'"))
        lab.expire()
        eventually(lambda: _term(lab) >= 3, "another term")
        job = lab.submit()
        eventually(lambda: lab.sent_run(job), "sending")
    assert lab.run_orders(lab.run_of(job).id)
    assert lab.client.exists(f"{HOST}.orders")


def _expire_without_waiting(lab: Lab) -> None:
    """Let the lease run out as time does, without touching the row that a transaction holds."""

    def is_over() -> bool:
        with Session(lab.engine) as session:
            over = select(Leader.until < func.clock_timestamp())
            return bool(session.scalar(over))

    eventually(is_over, "the end of the lease")


def _term(lab: Lab) -> int:
    with Session(lab.engine) as session:
        return session.scalar(select(Leader.term)) or 0
