"""Where a restore may go, and what becomes of one that does not come to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from labq.config import Settings
from labq.domain.errors import ConfigurationError, ConflictError
from labq.services import schema
from labq.services.backup.manifest import DamagedBundleError
from labq.services.database import Role, make_engine
from labq.services.restore_marker import MARKER
from tests.integration import copies
from tests.integration.copies import bring_back, content, fill, make_dump
from tests.integration.web_site import Site
from tests.lab.server import program
from tests.lab.waiting import until

LABQ = program()


@pytest.fixture
def tar(settings: Settings, site: Site, tmp_path: Path) -> Path:
    """Return a bundle of a filled server."""
    fill(site, settings.blobs)
    make_dump(settings.database_url, tmp_path / "labq.tar", settings.blobs)
    return tmp_path / "labq.tar"


@contextmanager
def _link(url: str) -> Iterator[psycopg2.extensions.connection]:
    link = psycopg2.connect(url)
    link.autocommit = True
    try:
        yield link
    finally:
        link.close()


def _change(url: str, statement: str) -> None:
    with _link(url) as link, link.cursor() as cursor:
        cursor.execute(statement)


def _environment(url: str, state: Path) -> Mapping[str, str]:
    plain = {name: text for name, text in os.environ.items() if not name.startswith("LABQ_")}
    return {**plain, "LABQ_DATABASE_URL": url, "LABQ_STATE": str(state)}


def test_a_database_that_is_not_empty_is_left_alone_unless_it_may_be_replaced(
    tar: Path, settings: Settings, empty_database_url: str, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    (there / "logs").mkdir(parents=True)
    with pytest.raises(ConflictError, match="there is not empty: `--replace`"):
        bring_back(empty_database_url, tar, there)
    schema.upgrade(empty_database_url)
    _change(empty_database_url, "INSERT INTO device_type (name) VALUES ('mine')")
    with pytest.raises(ConflictError, match=r"not empty: it has labq's schema .* `--replace`"):
        bring_back(empty_database_url, tar)
    assert content(empty_database_url)["device_type"]
    bring_back(empty_database_url, tar, there, replaces=True)
    assert content(empty_database_url) == content(settings.database_url)
    assert sorted(path.name for path in there.parent.iterdir() if "there" in path.name) == ["there"]


def test_a_database_of_something_else_is_never_replaced(tar: Path, empty_database_url: str) -> None:
    _change(empty_database_url, "CREATE TABLE payroll (id int)")
    with pytest.raises(ConflictError, match="none of labq's: it has payroll"):
        bring_back(empty_database_url, tar, replaces=True)
    assert copies.tables(empty_database_url) == 1


def test_a_database_with_active_hosts_is_never_replaced(tar: Path, empty_database_url: str) -> None:
    schema.upgrade(empty_database_url)
    _change(
        empty_database_url,
        "INSERT INTO host (name, state, health, reported_at)"
        " VALUES ('rack-7', 'online', 'active', now())",
    )
    with pytest.raises(ConflictError, match="active hosts, heard of within 60 s: rack-7"):
        bring_back(empty_database_url, tar, replaces=True)
    _change(empty_database_url, "UPDATE host SET reported_at = now() - interval '2 minutes'")
    _change(
        empty_database_url,
        "INSERT INTO leader (id, term, holder, until) VALUES (1, 1, 'c1', now() + interval '1 h')",
    )
    with pytest.raises(ConflictError, match="the conductor c1 leads"):
        bring_back(empty_database_url, tar, replaces=True)
    assert copies.ask(empty_database_url, "SELECT count(*) FROM host") == 1


def test_a_database_that_a_part_is_connected_to_is_not_touched(
    tar: Path, empty_database_url: str
) -> None:
    engine = make_engine(empty_database_url, Role.API)
    with engine.connect(), pytest.raises(ConflictError, match=r"in use by labq api .*: stop all"):
        bring_back(empty_database_url, tar, replaces=True)
    engine.dispose()
    assert copies.tables(empty_database_url) == 0


def test_two_restores_do_not_mix(tar: Path, empty_database_url: str) -> None:
    with _link(empty_database_url) as link, link.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(5722901351)")
        with pytest.raises(ConflictError, match="another restore"):
            bring_back(empty_database_url, tar)


def test_a_restore_that_is_killed_leaves_a_mark_and_begins_anew(
    tar: Path, settings: Settings, empty_database_url: str, tmp_path: Path
) -> None:
    there = tmp_path / "staging"
    words = [LABQ, "db", "restore", str(tar)]
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            words, env=_environment(empty_database_url, there), stderr=said, stdout=said
        )
    until(lambda: copies.tables(empty_database_url) > 5, "the restore is at work", pause=0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert copies.ask(empty_database_url, f"SELECT source FROM {MARKER}") == str(tar)
    with pytest.raises(ConfigurationError, match=f"restore of {tar} into this database has not"):
        schema.check(empty_database_url)
    with pytest.raises(ConfigurationError, match="has not come to its end"):
        schema.upgrade(empty_database_url)
    until(lambda: copies.ask(empty_database_url, OTHERS) == 0, "its connections are gone")
    again = subprocess.run(
        [*words, "--json"],
        env=_environment(empty_database_url, there),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["files"] == 3
    assert "checking" in again.stderr
    assert content(empty_database_url) == content(settings.database_url)
    assert schema.check(empty_database_url).is_current
    assert len(list((there / "blobs").rglob("*.log"))) == 1


OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND application_name LIKE 'labq %'
"""


def test_rows_that_do_not_fit_each_other_are_told_and_leave_the_mark(
    settings: Settings, site: Site, tmp_path: Path, empty_database_url: str
) -> None:
    fill(site, settings.blobs)
    site.change(
        "ALTER TABLE membership DROP CONSTRAINT fk_membership_group_id;"
        'INSERT INTO membership (user_id, group_id) SELECT id, 77 FROM "user"'
    )
    make_dump(settings.database_url, tmp_path / "odd.tar", None)
    with pytest.raises(
        DamagedBundleError, match=r"odd.tar: rows of membership break fk_membership"
    ):
        bring_back(empty_database_url, tmp_path / "odd.tar")
    with pytest.raises(ConfigurationError):
        schema.check(empty_database_url)


def test_the_command_line_makes_the_database_of_a_fresh_folder(tar: Path, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LABQ, "db", *words],
            env=_environment("", tmp_path / "staging"),
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    nothing = run("dump", str(tmp_path / "x.tar"))
    assert (nothing.returncode, "no database" in nothing.stderr) == (2, True)
    gone = run("restore", str(tmp_path / "gone.tar"), "--json")
    assert gone.returncode == 1
    assert "gone.tar: there is no such file" in json.loads(gone.stdout)["error"]["message"]
    restored = run("restore", str(tar))
    assert restored.returncode == 0, restored.stderr
    assert "3 files are restored; the schema is" in restored.stdout
    next((tmp_path / "staging" / "blobs").rglob("*.log")).unlink()
    dumped = run("dump", str(tmp_path / "again.tar"), "--json")
    assert dumped.returncode == 1, "a file is missing"
    assert len(json.loads(dumped.stdout)["missing"]) == 1
    twice = run("dump", str(tmp_path / "again.tar"))
    assert "is there already" in twice.stderr
