"""The archive: what is in it, who sees it, how jobs come back, and what damage does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from labq.config import Settings
from labq.domain.errors import ConflictError, InfrastructureError, NotFoundError
from labq.domain.retention import Kind
from labq.models.rollup import DayCount
from labq.services import rollups
from labq.services.archive import view
from labq.services.archive.bundle import BundleReader, DamagedBundleError
from labq.services.archive.store import ObjectStore
from labq.services.retention import pins
from labq.services.retention.restore import Restored, Restorer
from labq.services.transitions import By
from labq.services.visibility import ANONYMOUS, Viewer
from tests.integration.retention_lab import CONSOLE, LOG, PICTURE, Shop
from tests.integration.web_site import Person, Site

ROOT = Viewer(user_id=1, name="root", is_admin=True)
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def shop(site: Site, settings: Settings, ann: Person) -> Shop:
    """Return a site without jobs and policies."""
    return Shop(site, settings, ann, site.device())


def restore(shop: Shop, job: int) -> Restored:
    ground = shop.ground
    restorer = Restorer(shop.sessions, ground.store, ground.blobs, ground.clock)
    return restorer.restore(ROOT, job, By("root", shop.now))


def put_away(shop: Shop, **days: int) -> int:
    """Return a job that went to the archive."""
    job = shop.old_job(50)
    shop.policy(days={Kind(kind): age for kind, age in days.items()} or {Kind.JOBS: 20})
    assert shop.run()
    return job


def plain(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return rows as they are but for a log's form, which is packed again later."""
    logs = [re.sub('"is_packed":(true|false)', "", row) for row in rows["run_log"]]
    return {**rows, "run_log": logs}


def test_a_restored_job_is_what_it_was_with_logs_and_artifacts(shop: Shop) -> None:
    job = shop.old_job(50)
    before, names = shop.rows(), shop.files()
    shop.policy(days={Kind.LOGS: 20, Kind.JOBS: 30})
    assert shop.run()
    assert shop.rows()["job"] == []
    done = restore(shop, job)
    assert set(done.kinds) == set(Kind)
    assert plain(shop.rows()) == plain(before)
    assert shop.files() == sorted({*names, "logs/0/1.log"} - {"logs/0/1.zst"})
    assert shop.blobs.logs.read(1, 0, len(LOG) + 1) == LOG
    assert shop.removed(job) == set()


def test_a_restored_job_is_pinned_and_goes_again_once_it_is_not(shop: Shop) -> None:
    job = put_away(shop)
    restore(shop, job)
    assert shop.run()
    assert shop.counts()["job"] == 1
    with shop.sessions.begin() as session:
        pins.unpin(session, ROOT, job, By("root", shop.now))
    assert shop.run()
    assert (shop.counts()["job"], len(shop.bundles())) == (0, 1)


def test_counts_of_jobs_keep_those_that_went_and_stay_right_when_they_come_back(
    shop: Shop,
) -> None:
    job = shop.old_job(50)
    with shop.sessions.begin() as session:
        rollups.recount(session)
    before = counted(shop)
    shop.policy(days={Kind.JOBS: 20})
    assert shop.run()
    gone = counted(shop)
    assert (before[0][:2], gone[0][:2], gone[0][2]) == ((1, 0), (1, 1), 540_000)
    restore(shop, job)
    assert counted(shop) == before


def counted(shop: Shop) -> list[tuple[int, int, int]]:
    """Return the rows of the day's counts, which must be those that counting gives."""
    with shop.sessions() as session:
        assert rollups.check(session) == []
    with shop.sessions.begin() as session:
        rollups.fold(session)
        rows = session.execute(select(DayCount.jobs, DayCount.gone, DayCount.gone_run_ms))
        return [(row.jobs, row.gone, row.gone_run_ms) for row in rows]


def test_what_is_missing_of_a_job_that_is_there_comes_back(shop: Shop) -> None:
    job = put_away(shop, logs=20)
    assert restore(shop, job).kinds == (Kind.LOGS,)
    with pytest.raises(ConflictError, match=f"nothing of job {job} is missing"):
        restore(shop, job)


def test_nothing_is_restored_over_another_job(shop: Shop) -> None:
    job = put_away(shop)
    shop.change(f"ALTER TABLE job ALTER COLUMN id RESTART WITH {job}")
    assert shop.site.job(shop.person) == job
    with pytest.raises(ConflictError, match=f"there is another job {job}"):
        restore(shop, job)


def test_a_job_whose_device_is_gone_is_not_half_restored(shop: Shop) -> None:
    job = put_away(shop)
    shop.change("DELETE FROM device")
    with pytest.raises(ConflictError, match="a device that is gone"):
        restore(shop, job)
    assert (shop.counts()["job"], shop.files()) == (0, [])


def test_a_job_that_was_never_archived_cannot_come_back(shop: Shop) -> None:
    with pytest.raises(NotFoundError, match="nothing of a job 99"):
        restore(shop, 99)


def test_a_bundle_that_was_cut_anywhere_restores_nothing_and_says_where(shop: Shop) -> None:
    job = put_away(shop)
    (bundle,) = shop.bundles()
    whole = bundle.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        bundle.write_bytes(whole[:size])
        words = rf"{bundle.name} in {shop.archive} is cut .* at byte {size}, {len(whole)} were"
        with pytest.raises(DamagedBundleError, match=words):
            restore(shop, job)
        assert (shop.counts()["job"], shop.files()) == (0, [])
    bundle.unlink()
    with pytest.raises(InfrastructureError, match=f"{bundle.name} cannot be read"):
        restore(shop, job)
    bundle.write_bytes(whole)
    restore(shop, job)


def test_a_bundle_whose_bytes_changed_restores_nothing_and_says_where(shop: Shop) -> None:
    job = put_away(shop)
    (bundle,) = shop.bundles()
    whole = bytearray(bundle.read_bytes())
    for place in (200, len(whole) // 2, len(whole) - 100):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        bundle.write_bytes(changed)
        with pytest.raises(DamagedBundleError, match=rf"{bundle.name} is damaged at byte \d+"):
            restore(shop, job)
        assert (shop.counts()["job"], shop.files()) == (0, [])


def test_any_program_reads_a_bundle_and_its_manifest_has_the_digests(shop: Shop) -> None:
    job = put_away(shop)
    (bundle,) = shop.bundles()
    with bundle.open("rb") as file:
        reader = BundleReader(bundle.name, file)
        reader.verify()
    (entry,) = reader.manifest.jobs
    assert (entry.id, reader.manifest.counts) == (job, {"jobs": 1, "members": 9})
    sizes = {one.name: one.bytes for one in entry.members}
    assert sizes[f"jobs/{job}/logs/1.log"] == len(LOG)
    assert {len(PICTURE), len(CONSOLE)} <= set(sizes.values())
    assert reader.manifest.schema >= "0011"


def test_a_store_of_objects_keeps_bundles_as_a_folder_does(shop: Shop, tmp_path: Path) -> None:
    shop.store = ObjectStore("memory://bucket/labq", tmp_path / "spool", {})
    job = shop.old_job(50)
    before = shop.rows()
    shop.policy(days={Kind.JOBS: 20})
    assert shop.run()
    assert shop.bundles() == []
    assert list((tmp_path / "spool").iterdir()) == []
    restore(shop, job)
    assert plain(shop.rows()) == plain(before)


def test_an_archived_job_is_seen_by_those_who_saw_it(shop: Shop, bob: Person) -> None:
    group = shop.site.group("lab", bob)
    public = shop.old_job(50)
    shared = shop.old_job(50, viewing_groups=[group])
    private = shop.old_job(50, viewing_groups=[])
    shop.policy(days={Kind.JOBS: 20})
    assert shop.run()
    ann = Viewer(user_id=shop.person.id, name="ann")
    member = Viewer(user_id=bob.id, name="bob", groups=(group,))
    seen = {}
    with shop.sessions() as session:
        for name, viewer in {"nobody": ANONYMOUS, "ann": ann, "bob": member, "root": ROOT}.items():
            listed = {job.id for job in view.find_jobs(session, viewer).items}
            for job in {public, shared, private} - listed:
                with pytest.raises(NotFoundError):
                    view.find_job(session, viewer, job)
            seen[name] = listed
    assert seen == {
        "nobody": {public},
        "ann": {public, shared, private},
        "bob": {public, shared},
        "root": {public, shared, private},
    }


def test_one_who_may_no_longer_see_a_job_sees_nothing_of_it_in_the_archive(
    shop: Shop, bob: Person
) -> None:
    job = put_away(shop, logs=20)
    shop.site.hide(job)
    path = f"/archive/jobs/{job}"
    assert [shop.site.get(path, who).status_code for who in (None, bob)] == [404, 404]
    assert shop.site.get(f"{path}/log", bob).status_code == 404
    answer = shop.site.get(f"{path}/log", shop.person)
    assert (answer.status_code, answer.data) == (200, LOG)


def test_the_page_of_a_job_says_what_was_removed(shop: Shop) -> None:
    job = put_away(shop, logs=20)
    (bundle,) = shop.bundles()
    page = shop.site.client.get(f"/jobs/{job}").text
    assert "Log removed by retention on 2026-11-20, archived in" in page
    assert bundle.name in page
    (removed,) = shop.site.get(f"/jobs/{job}").json["removed"]
    assert (removed["kind"], removed["bundle"]) == ("logs", bundle.name)


def test_whoever_asks_for_an_archived_job_is_told_where_it_is(shop: Shop) -> None:
    job = put_away(shop)
    (bundle,) = shop.bundles()
    answer = shop.site.get(f"/jobs/{job}")
    assert answer.status_code == 404
    words = f"removed by retention on 2026-11-20, and is archived in {bundle.name}"
    assert words in answer.json["detail"]


def test_a_process_that_is_killed_at_any_moment_loses_and_doubles_nothing(shop: Shop) -> None:
    jobs = [shop.old_job(days) for days in (170, 160, 50)]
    before = shop.rows()
    shop.policy(days={Kind.LOGS: 30, Kind.JOBS: 40})
    deaths = work_and_die(shop)
    assert deaths > 40
    assert set(shop.counts().values()) == {0}
    assert shop.files() == []
    shop.change("UPDATE doomed_blob SET due_at = now()")
    with shop.sessions() as session:
        listed = view.find_bundles(session).items
    assert sorted(one.name for one in listed) == [path.name for path in shop.bundles()]
    for job in jobs:
        assert shop.removed(job) == set(Kind)
        restore(shop, job)
    assert plain(shop.rows()) == plain(before)


def work_and_die(shop: Shop) -> int:
    """Return how often a process died before it came to the end."""
    facts: dict[str, Any] = {
        "database_url": shop.settings.database_url,
        "state": str(shop.settings.state),
        "now": shop.now.isoformat(),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.retention_kills", json.dumps(facts)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)
