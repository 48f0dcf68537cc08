"""Retention: what goes when, in which order, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from typing_extensions import override

from labq.config import Settings
from labq.domain.errors import ConflictError
from labq.domain.retention import Kind
from labq.domain.states import Outcome
from labq.models.control import Audit
from labq.services.archive.store import Check, FolderStore
from labq.services.retention import (
    days,
    months,
    parts,
    pins,
    policies,
    preview,
    removal,
    runs,
)
from labq.services.retention.policies import PolicyChange
from labq.services.retention.runs import LostRunError
from labq.services.transitions import By
from labq.services.visibility import Viewer
from labq.tasks import retention as retention_task
from tests.integration.conductor_lab import Lab, eventually
from tests.integration.retention_lab import CONSOLE, NOW, PICTURE, Shop, digest_of
from tests.integration.web_site import Person, Site

ROOT = Viewer(user_id=1, name="root", is_admin=True)
LEAST = {Kind.LOGS: 1}


@pytest.fixture
def shop(site: Site, settings: Settings, ann: Person) -> Shop:
    """Return a site without jobs and policies."""
    return Shop(site, settings, ann, site.device())


class Meddler(FolderStore):
    """A store whose bundles have just got their names when somebody does something."""

    def __init__(self, folder: Path, meddle: Callable[[], None]) -> None:
        super().__init__(folder)
        self._meddle = meddle

    @override
    def publish(self, name: str, check: Check) -> None:
        super().publish(name, check)
        self._meddle()


def pin(shop: Shop, job: int) -> None:
    with shop.sessions.begin() as session:
        pins.pin(session, ROOT, job, By("root", shop.now, "wanted"))


def test_logs_go_before_results_and_are_archived(shop: Shop) -> None:
    old, young = shop.old_job(40), shop.old_job(5)
    shop.policy(days={Kind.LOGS: 30, Kind.RESULTS: 90})
    assert shop.run()
    assert (shop.removed(old), shop.removed(young)) == ({Kind.LOGS}, set())
    assert shop.counts()["run_log"] == 1
    assert shop.counts()["test_case"] == 4
    assert [name for name in shop.files() if name.startswith("logs")] == ["logs/0/2.zst"]
    assert len(shop.bundles()) == 1


def test_a_whole_job_goes_with_all_it_has(shop: Shop) -> None:
    shop.old_job(400)
    shop.policy(days={Kind.JOBS: 365})
    assert shop.run()
    assert set(shop.counts().values()) == {0}
    assert shop.files() == []
    with shop.sessions() as session:
        assert session.scalars(select(Audit.id).where(Audit.subject == "job")).all() == []


def test_data_go_on_the_day_after_their_age_and_not_before(shop: Shop) -> None:
    job = shop.old_job(5)
    shop.policy(days={Kind.LOGS: 5})
    assert shop.run()
    assert shop.removed(job) == set()
    shop.now += timedelta(days=1)
    assert shop.run()
    assert shop.removed(job) == {Kind.LOGS}


def test_the_first_policy_that_fits_decides_alone(shop: Shop, ann: Person) -> None:
    group = shop.site.group("release", ann)
    kept = shop.old_job(50, viewing_groups=[group])
    failed, passed = shop.old_job(50, outcome=Outcome.INCOMPLETE), shop.old_job(50)
    shop.policy("last", days={Kind.LOGS: 10, Kind.PLANS: 10})
    shop.policy("failed", position=2, outcome=Outcome.INCOMPLETE, days={Kind.PLANS: 10})
    shop.policy("releases", position=1, group="release")
    assert shop.run()
    assert shop.removed(kept) == set()
    assert shop.removed(failed) == {Kind.PLANS}
    assert shop.removed(passed) == {Kind.LOGS, Kind.PLANS}


def test_a_pinned_job_stays_whatever_policies_say(shop: Shop) -> None:
    kept, gone = shop.old_job(50), shop.old_job(50)
    pin(shop, kept)
    shop.policy(days={Kind.LOGS: 10, Kind.JOBS: 20})
    with shop.sessions.begin() as session:
        (found,) = preview.find(session, shop.now).policies
    assert found.amounts == ()
    assert shop.run()
    assert (shop.removed(kept), shop.counts()["job"]) == (set(), 1)
    assert Kind.JOBS in shop.removed(gone)
    with shop.sessions.begin() as session:
        amounts = preview.find(session, shop.now).policies[0].amounts
    assert {one.kind: (one.due_jobs, one.pinned_jobs) for one in amounts} == {
        Kind.LOGS: (0, 1),
        Kind.JOBS: (0, 1),
    }


def test_an_unpinned_job_goes_with_the_next_run(shop: Shop) -> None:
    job = shop.old_job(50)
    pin(shop, job)
    shop.policy(days={Kind.JOBS: 20})
    assert shop.run()
    with shop.sessions.begin() as session:
        pins.unpin(session, ROOT, job, By("root", shop.now))
    assert shop.run()
    assert shop.counts()["job"] == 0


def test_a_job_that_is_pinned_after_it_was_archived_stays(shop: Shop) -> None:
    job = shop.old_job(50)
    shop.policy(days={Kind.JOBS: 20})
    shop.store = Meddler(shop.archive, lambda: pin(shop, job))
    assert shop.run()
    assert len(shop.bundles()) == 1
    assert (shop.counts()["job"], len(shop.files())) == (1, 3)


def test_a_pin_between_the_look_at_a_day_and_the_removal_is_seen(shop: Shop) -> None:
    job = shop.old_job(50)
    shop.policy(days={Kind.JOBS: 20})
    day = (shop.now - timedelta(days=50)).date()
    with shop.sessions.begin() as session:
        hold = runs.take(session, "me", "labq")
        rules = policies.load_rules(session)
        due = days.evaluate(session, rules, day, shop.now.date()).due
        parts.note(session, due, None, hold)
    assert [one.job.id for one in due] == [job]
    pin(shop, job)
    with shop.sessions.begin() as session:
        runs.guard(session, hold)
        done = removal.remove(session, hold, day, due, now=shop.now)
    assert (done.parts, shop.counts()["job"]) == (0, 1)


def test_a_log_that_grew_after_it_was_archived_stays_until_it_is_archived_anew(shop: Shop) -> None:
    job = shop.old_job(50)
    shop.policy(days={Kind.LOGS: 20})
    shop.store = Meddler(shop.archive, lambda: shop.change("UPDATE run_log SET bytes = bytes + 1"))
    assert shop.run()
    assert (shop.removed(job), shop.counts()["run_log"]) == (set(), 1)
    shop.store = None
    assert shop.run()
    assert (shop.removed(job), shop.counts()["run_log"]) == ({Kind.LOGS}, 0)
    assert len(shop.bundles()) == 2


def test_a_change_of_policies_stops_what_was_planned_by_the_old_ones(shop: Shop) -> None:
    shop.old_job(50)
    shop.policy(days={Kind.JOBS: 20})

    def keep() -> None:
        with shop.sessions.begin() as session:
            change = PolicyChange(days={Kind.JOBS: 0, Kind.PLANS: 30})
            policies.change(session, "all", change, By("root", shop.now))

    shop.store = Meddler(shop.archive, keep)
    assert not shop.run()
    assert (shop.counts()["job"], shop.counts()["run_plan"]) == (1, 1)
    shop.store = None
    assert shop.run()
    assert (shop.counts()["job"], shop.counts()["run_plan"]) == (1, 0)


def test_the_second_of_two_runs_is_told_who_works_at_the_first(shop: Shop) -> None:
    shop.policy(days=LEAST)
    with shop.sessions.begin() as session:
        runs.take(session, "core-1:99", "labq")
    with pytest.raises(ConflictError, match=r"run 1, asked for by labq at .* core-1:99 works at"):
        shop.run("core-2:11")
    with shop.sessions.begin() as session, pytest.raises(ConflictError, match="core-1:99"):
        runs.ask(session, "root", shop.now)


def test_whoever_was_paused_for_too_long_changes_nothing_any_more(shop: Shop) -> None:
    with shop.sessions.begin() as session:
        stale = runs.take(session, "slow", "labq")
    shop.change("UPDATE retention_run SET held_until = now() - interval '1 s'")
    with shop.sessions.begin() as session:
        fresh = runs.take(session, "quick", "labq")
    assert fresh.run == stale.run
    with shop.sessions.begin() as session, pytest.raises(LostRunError, match="slow"):
        runs.guard(session, stale)


def test_a_run_goes_on_where_its_time_ran_out(shop: Shop) -> None:
    for age in (50, 51, 52):
        shop.old_job(age)
    shop.policy(days={Kind.JOBS: 20})
    steps = 1
    while not shop.run(f"step-{steps}", seconds=0):
        steps += 1
        assert steps < 60
    assert steps > 3
    assert shop.counts()["job"] == 0
    with shop.sessions() as session:
        (run,) = runs.find_page(session).items
        assert (run.jobs, run.ended_at) == (3, shop.now)
        (audit,) = session.scalars(select(Audit).where(Audit.subject == "retention run"))
    assert audit.reason.startswith("3 jobs, 18 parts of jobs")


def test_a_file_that_another_name_has_stays(shop: Shop) -> None:
    job = shop.old_job(50)
    shop.change(f"UPDATE artifact SET digest = '{digest_of(PICTURE)}'")
    shop.policy(days={Kind.CONSOLE: 20})
    assert shop.run()
    assert shop.removed(job) == {Kind.CONSOLE}
    assert f"artifacts/0/1/{digest_of(PICTURE)}" in shop.files()
    # The sweep removes what is noted, and nothing else: this one was named by no row before.
    assert f"artifacts/0/1/{digest_of(CONSOLE)}" in shop.files()


def test_the_last_health_check_of_a_device_stays(shop: Shop) -> None:
    job = shop.old_job(50)
    shop.change(f"UPDATE device SET health_job_id = {job}")
    shop.policy(days={Kind.LOGS: 20, Kind.JOBS: 20})
    assert shop.run()
    assert (shop.removed(job), shop.counts()["job"]) == ({Kind.LOGS}, 1)
    shop.change("UPDATE device SET health_job_id = NULL")
    shop.now += timedelta(days=1)
    assert shop.run()
    assert shop.counts()["job"] == 0


def test_a_job_that_a_silent_host_may_be_at_work_at_stays(shop: Shop) -> None:
    shop.old_job(50)
    shop.change("UPDATE run SET lost_at = ended_at")
    shop.policy(days={Kind.LOGS: 20, Kind.JOBS: 30})
    assert shop.run()
    assert (shop.counts()["job"], shop.counts()["run_log"]) == (1, 1)


def test_a_policy_may_remove_without_an_archive(shop: Shop) -> None:
    job = shop.old_job(50)
    shop.policy(days={Kind.CONSOLE: 20}, is_archived=False)
    assert shop.run()
    assert (shop.removed(job), shop.bundles()) == ({Kind.CONSOLE}, [])
    assert shop.parts(job)[Kind.CONSOLE].bundle_id is None


def test_a_full_disk_keeps_everything_where_it_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.old_job(50)
    shop.policy(days={Kind.JOBS: 20})
    monkeypatch.setattr("labq.services.retention.bundling.RESERVE_BYTES", 10**18)
    assert not shop.run()
    assert shop.counts()["job"] == 1
    with shop.sessions() as session:
        run = runs.find_open(session)
    assert run is not None
    assert "bytes free" in run.error


class TestMonths:
    """Results go with their partition where that is worth it."""

    @pytest.fixture(autouse=True)
    def all_is_worth_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(months, "WORTH_CASES", 1)

    def partitions(self, shop: Shop) -> set[str]:
        with shop.engine.connect() as connection:
            return set(
                connection.exec_driver_sql(
                    "SELECT relname FROM pg_class WHERE relname LIKE 'test_case_2026_0%%'"
                    " AND relkind = 'r'"
                ).scalars()
            )

    def test_the_partition_of_a_month_that_is_due_as_a_whole_is_dropped(self, shop: Shop) -> None:
        first, last = shop.old_job(170), shop.old_job(160)
        shop.policy(days={Kind.RESULTS: 90})
        assert self.partitions(shop) == {"test_case_2026_06"}
        assert shop.run()
        assert self.partitions(shop) == set()
        assert shop.removed(first) == shop.removed(last) == {Kind.RESULTS}
        assert (shop.counts()["job"], shop.counts()["run_log"]) == (2, 2)

    def test_results_wait_for_the_rest_of_their_month_and_logs_do_not(self, shop: Shop) -> None:
        early, late = shop.old_job(170), shop.old_job(160)
        shop.policy(days={Kind.RESULTS: 165, Kind.LOGS: 100})
        assert shop.run()
        assert shop.removed(early) == shop.removed(late) == {Kind.LOGS}
        shop.now += timedelta(days=6)
        assert shop.run()
        assert self.partitions(shop) == set()
        assert Kind.RESULTS in shop.removed(early) & shop.removed(late)

    def test_one_pinned_job_has_its_month_deleted_in_batches(self, shop: Shop) -> None:
        kept, gone = shop.old_job(170), shop.old_job(160)
        pin(shop, kept)
        shop.policy(days={Kind.RESULTS: 90})
        assert shop.run()
        assert self.partitions(shop) == {"test_case_2026_06"}
        assert (shop.removed(kept), shop.removed(gone)) == (set(), {Kind.RESULTS})
        assert shop.counts()["test_case"] == 2

    def test_a_job_pinned_at_the_last_moment_keeps_its_results(self, shop: Shop) -> None:
        kept, gone = shop.old_job(170), shop.old_job(160)
        shop.policy(days={Kind.JOBS: 90})
        shop.store = Meddler(shop.archive, lambda: pin(shop, kept))
        assert shop.run()
        assert (shop.counts()["job"], shop.counts()["test_case"]) == (1, 2)
        assert Kind.JOBS in shop.removed(gone)

    def test_an_empty_month_leaves_no_partition(self, shop: Shop) -> None:
        shop.old_job(170)
        shop.policy(days={Kind.JOBS: 90})
        assert shop.run()
        assert self.partitions(shop) == set()
        with shop.engine.connect() as connection:
            left = connection.exec_driver_sql("SELECT to_regclass('run_log_2026_06')").scalar()
        assert left is None


def test_the_conductor_sends_a_step_that_is_due_once(lab: Lab) -> None:
    with lab.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO retention_state (id, revision, due_at) VALUES (1, 1, now())"
        )
    with lab.conducting():
        eventually(lambda: lab.client.llen("core"), "the task")
    assert lab.client.llen("core") == 1
    assert b"labq.retention" in lab.client.lindex("core", 0)
    with lab.engine.connect() as connection:
        due = connection.exec_driver_sql("SELECT due_at > now() FROM retention_state").scalar()
    assert due is True


def test_the_task_does_a_step_and_respects_the_windows_of_the_day(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.old_job(50)
    shop.policy(days={Kind.JOBS: 20})
    hour = f"{(retention_task.datetime.now(UTC).hour + 12) % 24:02}"
    for name in ("state", "database_url", "redis_url"):
        monkeypatch.setenv(f"LABQ_{name.upper()}", str(getattr(shop.settings, name)))
    monkeypatch.setenv("LABQ_RETENTION_WINDOWS", f"{hour}:00-{hour}:01")
    retention_task.retention()
    assert shop.counts()["job"] == 1
    with shop.sessions.begin() as session:
        runs.ask(session, "root", NOW)
    retention_task.retention()
    assert shop.counts()["job"] == 0
