"""A scrubbed copy: no secret is left in it anywhere, and nothing of it reaches out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest

from labq.config import Settings
from labq.domain.states import DeviceState, HostHealth, HostState, JobState, Outcome
from labq.services.database import Role, make_engine
from labq.supervisor.postgres import Postgres
from labq.web.app import create_app
from tests.integration import copies
from tests.integration.copies import SECRETS, Filled, bring_back, content, fill, make_dump
from tests.integration.web_site import Site


@dataclass(frozen=True)
class Copy:
    """A scrubbed copy of a filled server."""

    url: str
    folder: Path
    of: Filled


@pytest.fixture
def copy(site: Site, settings: Settings, empty_database_url: str, tmp_path: Path) -> Copy:
    """Return a copy that was just made; the original has all the secrets."""
    filled = fill(site, settings.blobs)
    original = b"\n".join(row for rows in content(settings.database_url).values() for row in rows)
    missing = [secret for secret in SECRETS if secret.encode() not in original]
    assert missing == ["s3cret-console"], "which is in a file"
    make_dump(settings.database_url, tmp_path / "labq.tar", settings.blobs)
    bring_back(empty_database_url, tmp_path / "labq.tar", tmp_path / "copy", scrubs=True)
    return Copy(empty_database_url, tmp_path / "copy", filled)


def _files_of(postgres: Postgres, url: str) -> Iterator[Path]:
    """Yield the files in which PostgreSQL keeps a database."""
    link = psycopg2.connect(url)
    link.autocommit = True
    with link.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
        (number,) = cursor.fetchone() or (0,)
    link.close()
    yield from (postgres.folder / "base" / str(number)).iterdir()


def test_a_scrubbed_copy_has_no_secret_and_nothing_to_do(copy: Copy, postgres: Postgres) -> None:
    found = content(copy.url)
    text = b"\n".join(row for rows in found.values() for row in rows)
    assert [secret for secret in SECRETS if secret.encode() in text] == []
    # Nor is one left in pages of the database's files, where former rows were.
    kept = [path.read_bytes() for path in _files_of(postgres, copy.url)]
    assert [secret for secret in SECRETS if any(secret.encode() in data for data in kept)] == []
    assert any(b"board-2" in data for data in kept), "these are the files"
    emptied = {"token", "remote_token", "login", "enrolment", "delivery", "run_plan", "artifact"}
    assert emptied.isdisjoint(found)
    assert not any(b"s3cret" in path.read_bytes() for path in copy.folder.rglob("*.*"))
    assert {path.parent.parent.name for path in copy.folder.rglob("*.*")} == {"logs"}


def test_a_scrubbed_copy_drives_nothing(copy: Copy) -> None:
    one = copies.ask
    jobs = "SELECT array_agg(DISTINCT state || ' ' || outcome ORDER BY state || ' ' || outcome) FROM job"
    ended = [f"{JobState.FINISHED} {outcome}" for outcome in (Outcome.CANCELED, Outcome.COMPLETE)]
    assert set(one(copy.url, jobs) or ()) <= {*ended, f"{JobState.FINISHED} {Outcome.INCOMPLETE}"}
    assert one(copy.url, "SELECT count(*) FROM job WHERE state <> 'finished'") == 0
    assert one(copy.url, "SELECT count(*) FROM run WHERE state <> 'ended'") == 0
    assert one(copy.url, "SELECT count(*) FROM reservation WHERE released_at IS NULL") == 0
    devices = "SELECT array_agg(DISTINCT state || coalesce(run_id, 0)) FROM device"
    assert one(copy.url, devices) == [f"{DeviceState.IDLE}0"]
    hosts = "SELECT array_agg(DISTINCT state || ' ' || health) FROM host"
    assert one(copy.url, hosts) == [f"{HostState.OFFLINE} {HostHealth.RETIRED}"]
    templates = "SELECT array_agg(DISTINCT template) FROM device"
    assert one(copy.url, templates) == ["{% extends 'shell.jinja2' %}"]


def test_a_scrubbed_copy_is_shown_as_the_original_was(copy: Copy, settings: Settings) -> None:
    engine = make_engine(copy.url, Role.API)
    changed = settings.model_copy(update={"database_url": copy.url, "state": copy.folder.parent})
    client = create_app(changed, engine).test_client()
    try:
        listed = client.get("/api/v1/jobs?since=2026-01-01").get_json()["items"]
        assert {job["id"] for job in listed} == {
            copy.of.finished,
            copy.of.running,
            copy.of.waiting,
        }
        for path in ("", "/results", "/definition"):
            assert client.get(f"/jobs/{copy.of.finished}{path}").status_code == 200
        definition = client.get(f"/api/v1/jobs/{copy.of.finished}/definition").text
        assert "# a remark" in definition
        assert "redacted" in definition
        assert client.get(f"/api/v1/jobs/{copy.of.finished}/plan").status_code == 404
    finally:
        engine.dispose()
