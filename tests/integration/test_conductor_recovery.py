"""What is lost is sent again, from the right step, at the right epoch, and nothing else is."""

from __future__ import annotations

from dataclasses import replace

import redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.conductor.uplink import Uplink
from labq.domain.events import Event, RunReport
from labq.domain.orders import GenerationOrder, RunOrder
from labq.domain.states import JobState, Outcome, StepState
from labq.models.control import Leader
from labq.models.host import Host
from labq.models.result import TestCase
from labq.models.run import Run, Step
from labq.streams import GENERATION_KEY
from tests.integration.conductor_lab import (
    BOOT,
    HOST,
    TEST,
    Lab,
    began,
    ended,
    eventually,
    idle,
    result,
    whole_run,
)


def test_a_step_that_never_began_is_sent_again_at_the_same_epoch(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        first = eventually(lambda: lab.sent_run(job), "sending")
        lab.take_messages()
        order = _order_for(lab, first, idle(first.id, BOOT))
        assert (order.epoch, order.next) == (1, BOOT)
        eventually(lambda: lab.messages() == {f"{first.id}-1-{BOOT}"}, "the message")


def test_a_lost_step_that_restarts_from_itself_is_sent_at_the_same_epoch(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        first = eventually(lambda: lab.sent_run(job), "sending")
        run = first.id
        lab.take_messages()
        lab.send(began(run, BOOT), ended(run, BOOT, TEST), began(run, TEST))
        lab.send(result(run, TEST, "before the loss"))
        order = _order_for(lab, first, idle(run, TEST))
        assert (order.epoch, order.next) == (1, TEST)
        eventually(lambda: lab.messages() == {f"{run}-1-{TEST}"}, "the message")
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == ["before the loss"]


def test_going_back_raises_the_epoch_and_supersedes_results_from_there_on(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        first = eventually(lambda: lab.sent_run(job), "sending")
        run = first.id
        with Session(lab.engine) as session, session.begin():
            session.get_one(Step, (run, TEST)).restart_from = BOOT
        lab.take_messages()
        lab.send(began(run, BOOT), result(run, BOOT, "login"), ended(run, BOOT, TEST))
        lab.send(began(run, TEST), result(run, TEST, "first pass"))
        order = _order_for(lab, first, idle(run, TEST))
        assert (order.epoch, order.next) == (2, BOOT)
        eventually(lambda: lab.messages() == {f"{run}-2-{BOOT}"}, "the message")
        assert lab.step(run, BOOT).state is StepState.WAITING
        lab.send(result(run, TEST, "late", epoch=1))
        lab.send(*[_at_epoch_two(event) for event in whole_run(run)])
        eventually(lambda: lab.is_finished(job), "the end")
    assert lab.job(job).outcome is Outcome.COMPLETE
    with Session(lab.engine) as session:
        assert session.scalars(select(TestCase.name)).all() == ["job"]


def test_a_run_that_its_host_forgot_begins_anew_at_a_higher_epoch(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        first = eventually(lambda: lab.sent_run(job), "sending")
        run = first.id
        lab.send(began(run, BOOT))
        eventually(lambda: lab.job(job).state is JobState.RUNNING, "running")
        lab.take_messages()
        order = _order_for(lab, first)
        assert (order.epoch, order.next) == (2, BOOT)
        assert order.plan is not None


def test_nothing_is_sent_again_while_the_message_waits_in_its_queue(lab: Lab) -> None:
    run, uplink = _sent_run_and_uplink(lab)
    lab.report(idle(run, BOOT))
    _judge(uplink)
    assert lab.run_by_id(run).sent is not None
    lab.take_messages()
    lab.report(idle(run, BOOT), number=lab.number)
    _judge(uplink)
    assert lab.run_by_id(run).sent is not None


def test_a_report_counts_only_when_all_events_before_it_are_applied(lab: Lab) -> None:
    run, uplink = _sent_run_and_uplink(lab)
    lab.take_messages()
    lab.report(idle(run, BOOT), sequence=lab.sequence + 1)
    _judge(uplink)
    assert lab.run_by_id(run).sent is not None


def test_a_run_with_events_after_the_report_is_not_judged_by_it(lab: Lab) -> None:
    run, uplink = _sent_run_and_uplink(lab)
    lab.take_messages()
    lab.report(idle(run, BOOT))
    lab.send(began(run, BOOT))
    _judge(uplink)
    assert lab.run_by_id(run).sent is not None


def test_a_report_of_another_generation_does_not_count_and_its_host_is_told(lab: Lab) -> None:
    run, uplink = _sent_run_and_uplink(lab)
    lab.take_messages()
    told = lab.orders().count(GenerationOrder(generation=lab.generation()))
    lab.report(idle(run, BOOT), generation="of old", order=lab.run_by_id(run).sent)
    _judge(uplink)
    assert lab.run_by_id(run).sent is not None
    assert lab.orders().count(GenerationOrder(generation=lab.generation())) > told


def test_a_report_that_counts_has_the_run_sent_again(lab: Lab) -> None:
    run, uplink = _sent_run_and_uplink(lab)
    lab.take_messages()
    lab.report(idle(run, BOOT))
    _judge(uplink)
    assert lab.run_by_id(run).sent is None


def test_a_step_that_the_run_does_not_have_is_not_sent(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        first = eventually(lambda: lab.sent_run(job), "sending")
        run = first.id
        lab.take_messages()
        lab.report(idle(run, 99))
        order = _order_for(lab, first, idle(run, BOOT))
        assert order.next == BOOT


def test_a_run_that_was_decided_and_not_sent_is_sent_by_whoever_leads_next(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
    with Session(lab.engine) as session, session.begin():
        session.get_one(Run, run).sent = None
    lab.take_messages()
    with lab.conducting():
        again = eventually(lambda: lab.sent_run(job), "sending again")
        assert lab.messages() == {f"{run}-1-{BOOT}"}
    assert again.epoch == 1


def test_an_emptied_redis_gets_a_new_generation_and_lost_runs_are_sent_again(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        old = eventually(lab.generation, "a generation")
        lab.client.flushall()
        first = lab.run_of(job)
        lab.report(idle(run, BOOT), generation=old, order=first.sent)
        order = eventually(lambda: _last_generation(lab, old), "a new generation")
        assert lab.client.get(GENERATION_KEY).decode() == order.generation
        assert lab.run_orders(run) == []
        _order_for(lab, first, idle(run, BOOT))
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
    with Session(lab.engine) as session:
        assert session.get_one(Leader, 1).generation == order.generation
        assert session.get_one(Host, "rack").sequence == 6


def test_a_redis_that_breaks_its_connections_is_used_again(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        for _ in range(3):
            _break_connections(lab.client)
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end")
        _break_connections(lab.client)
        after = lab.submit()
        eventually(lambda: lab.sent_run(after), "the next job's sending")


def test_a_database_that_ends_its_connections_is_used_again(lab: Lab) -> None:
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
        with lab.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        lab.send(*whole_run(run))
        eventually(lambda: lab.is_finished(job), "the end", seconds=30)
        after = lab.submit()
        eventually(lambda: lab.sent_run(after), "the next job's sending", seconds=30)


def _order_for(lab: Lab, run: Run, *shown: RunReport) -> RunOrder:
    """Report until the run is sent again, and return the new order."""

    def sent_again() -> RunOrder | None:
        lab.report(*shown)
        return lab.order_after(run)

    return eventually(sent_again, "the second order")


def _sent_run_and_uplink(lab: Lab) -> tuple[int, Uplink]:
    """Return a run that was sent, and a leading uplink that the test turns by hand."""
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending").id
    uplink = Uplink(lab.lead(), lab.client)
    lab.report()
    _judge(uplink)
    return run, uplink


def _judge(uplink: Uplink) -> None:
    """Have the reports that are there read, and the newest one judged, which waits its turn."""
    eventually(lambda: uplink.turn() or uplink._lines[HOST].due_at() is None, "the judgement")


def _at_epoch_two(event: Event) -> Event:
    return replace(event, epoch=2)


def _last_generation(lab: Lab, old: str) -> GenerationOrder | None:
    orders = [order for order in lab.orders() if isinstance(order, GenerationOrder)]
    return next((order for order in orders if order.generation != old), None)


def _break_connections(client: redis.Redis) -> None:
    client.client_kill_filter(_type="normal", skipme=True)
