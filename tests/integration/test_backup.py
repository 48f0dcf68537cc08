"""Dumps and restores: what comes back is what was there, and nothing half is taken for whole."""

from __future__ import annotations

import hashlib
import json
import tarfile
import threading
from itertools import product
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import text

from labq.blobs import Logs
from labq.config import Settings
from labq.domain.errors import ConfigurationError
from labq.services import schema
from labq.services.backup.bundle import Bundle, _end
from labq.services.backup.manifest import DamagedBundleError
from tests.integration import copies
from tests.integration.copies import LOG, Filled, bring_back, content, fill, make_dump
from tests.integration.web_site import Site


@pytest.fixture
def folder(settings: Settings) -> Path:
    """Return where the server keeps logs and artifacts."""
    return settings.blobs


@pytest.fixture
def filled(site: Site, folder: Path) -> Filled:
    """Return what is in the server."""
    return fill(site, folder)


@pytest.fixture
def tar(settings: Settings, filled: Filled, folder: Path, tmp_path: Path) -> Path:
    """Return a bundle as a file."""
    make_dump(settings.database_url, tmp_path / "labq.tar", folder)
    return tmp_path / "labq.tar"


@pytest.fixture
def bundle(settings: Settings, filled: Filled, folder: Path, tmp_path: Path) -> Path:
    """Return a bundle as a folder."""
    make_dump(settings.database_url, f"{tmp_path}/bundle/", folder)
    return tmp_path / "bundle"


def test_what_is_restored_is_what_was_dumped(
    settings: Settings, tar: Path, filled: Filled, empty_database_url: str, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    done = bring_back(empty_database_url, tar, there)
    before = content(settings.database_url)
    assert content(empty_database_url) == before
    assert done.rows >= sum(map(len, before.values()))
    assert {"job", "test_case_2026_11", "run_log_2026_11", "login"} <= before.keys()
    assert copies.rules(empty_database_url) == copies.rules(settings.database_url)
    assert copies.sequences(empty_database_url) == copies.sequences(settings.database_url)
    assert done.files == 3
    assert Logs(there).read(filled.run, 0, 10**6) == LOG
    assert Logs(there).read(filled.open_run, 0, 10**6) == LOG, "cut where the rows say it ends"
    assert schema.check(empty_database_url).is_current


def test_a_tar_of_a_bundle_is_a_folder_of_it_once_it_is_unpacked(
    settings: Settings, tar: Path, empty_database_url: str, tmp_path: Path
) -> None:
    with tarfile.open(tar) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    bring_back(empty_database_url, tmp_path / "unpacked", tmp_path / "there")
    assert content(empty_database_url) == content(settings.database_url)


def test_a_large_table_is_read_in_slices_that_miss_and_double_nothing(
    settings: Settings, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.change(
        "INSERT INTO audit (at, actor, subject, subject_id, before, after)"
        " SELECT now(), 'test', 'job', n, repeat('x', n % 90), '' FROM generate_series(1, 3000) n"
    )
    monkeypatch.setattr("labq.services.backup.dump.SLICE_BYTES", 100_000)
    made = make_dump(settings.database_url, tmp_path / "labq.tar", None)
    (audit,) = (table for table in made.tables if table.shape.name == "audit")
    assert len(audit.pieces) > 3
    read = Bundle(tmp_path / "labq.tar")
    numbers: list[int] = []
    for piece in audit.pieces:
        with read.unpacked(piece.member) as rows:
            numbers += [int(row.split(b"\t")[4]) for row in rows]
    assert sorted(numbers) == list(range(1, 3001))


def test_a_dump_of_a_busy_server_is_of_one_moment(
    settings: Settings, site: Site, folder: Path, tmp_path: Path, empty_database_url: str
) -> None:
    filled = fill(site, folder)
    stop, begun = threading.Event(), threading.Event()

    def work() -> None:
        """Grow a log, and count its lines in two tables in one transaction."""
        writer, length, lines = Logs(folder).writer(filled.open_run), len(LOG), LOG.count(b"\n")
        while not stop.is_set():
            writer.write(length, b"one more line\n", lines)
            writer.sync()
            length, lines = length + 14, lines + 1
            with site.engine.begin() as connection:
                values = {"length": length, "lines": lines, "run": filled.open_run}
                query = "UPDATE run_log SET bytes = :length, lines = :lines WHERE run_id = :run"
                connection.execute(text(query), values)
                connection.execute(text("UPDATE run SET results = :lines WHERE id = :run"), values)
            begun.set()
        writer.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert begun.wait(20)
        make_dump(settings.database_url, tmp_path / "labq.tar", folder)
    finally:
        stop.set()
        thread.join()
    bring_back(empty_database_url, tmp_path / "labq.tar", tmp_path / "there")
    ask = f"SELECT bytes FROM run_log WHERE run_id = {filled.open_run}"
    log = Logs(tmp_path / "there").read(filled.open_run, 0, 10**8)
    assert len(log) == copies.ask(empty_database_url, ask)
    assert log.count(b"\n") == copies.ask(empty_database_url, ask.replace("bytes", "lines"))
    results = f"SELECT results FROM run WHERE id = {filled.open_run}"
    assert log.count(b"\n") == copies.ask(empty_database_url, results)
    assert log.count(b"\n") > LOG.count(b"\n")


def test_a_bundle_upon_an_earlier_one_shares_its_files_and_stands_alone(
    settings: Settings, bundle: Path, folder: Path, filled: Filled, tmp_path: Path
) -> None:
    made = make_dump(settings.database_url, f"{tmp_path}/next/", folder, earlier=bundle)
    assert made.files is not None
    shared = [path for path in (tmp_path / "next").rglob("*") if path.is_file()]
    assert {path.stat().st_nlink for path in shared if "artifacts" in path.parts} == {2}
    for path in bundle.rglob("*"):
        if path.is_file():
            path.unlink()
    again = Bundle(tmp_path / "next")
    assert len(list(again.stored())) == 3
    for stored in again.stored():
        again.check(stored.member)


def test_a_file_that_rows_name_and_nobody_has_is_told(
    settings: Settings, filled: Filled, folder: Path, tmp_path: Path
) -> None:
    Logs(folder).place(filled.run, is_packed=True).unlink()
    made = make_dump(settings.database_url, tmp_path / "labq.tar", folder)
    assert made.files is not None
    assert made.files.missing == (f"logs/0/{filled.run}.zst",)
    assert made.files.count == 2


def _cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def test_a_file_that_was_cut_anywhere_is_refused_before_anything_is_changed(
    tar: Path, empty_database_url: str, tmp_path: Path
) -> None:
    size = tar.stat().st_size
    for end in (size - 1, size - 1024, size - 1600, size * 2 // 3, size // 2, 700, 512, 100, 0):
        _cut(tar, end)
        with pytest.raises(DamagedBundleError) as refused:
            bring_back(empty_database_url, tar, tmp_path / "there")
        said = str(refused.value)
        assert str(tar) in said
        assert f"cut at byte {end}" in said or "no bundle" in said
        assert copies.tables(empty_database_url) == 0
    assert not (tmp_path / "there").exists()


def test_the_message_names_the_part_in_which_a_file_was_cut(tar: Path) -> None:
    with tarfile.open(tar) as archive:
        (found,) = (one for one in archive if one.name.startswith("tables/test_case_2026_11/"))
    _cut(tar, found.offset_data + 10)
    with pytest.raises(
        DamagedBundleError, match=rf"{found.name}, which has 10 of its {found.size}"
    ):
        Bundle(tar)


def _first(folder: Path, pattern: str) -> Path:
    return next(path for path in sorted(folder.rglob(pattern)) if path.is_file())


def _harm(path: Path, data: bytes, how: str) -> None:
    if how == "gone":
        path.unlink()
        return
    changed = {"cut": data[:-3], "longer": data + b"x", "changed": data[:-1] + b"\0"}
    path.write_bytes(changed[how])


def test_a_folder_that_was_harmed_is_refused_naming_the_file(
    bundle: Path, postgres_url: str
) -> None:
    for pattern, how in product(
        ("tables/job/*", "blobs/logs/0/*", "files.jsonl.zst"), ("cut", "longer", "changed", "gone")
    ):
        path = _first(bundle, pattern)
        data = path.read_bytes()
        _harm(path, data, how)
        with pytest.raises(DamagedBundleError, match=str(path)):
            bring_back(postgres_url, bundle)
        path.write_bytes(data)


def test_an_unfinished_folder_is_no_bundle(bundle: Path, postgres_url: str) -> None:
    _cut(bundle / "end", 20)
    with pytest.raises(DamagedBundleError, match=f"{bundle}/end is not the end of a bundle"):
        bring_back(postgres_url, bundle)
    (bundle / "end").unlink()
    with pytest.raises(DamagedBundleError, match=f"{bundle}/end: No such file"):
        bring_back(postgres_url, bundle)


FORGERIES = (
    ('"name": "test_case_2026_11"', '"name": "x; DROP TABLE job"'),
    ("FOR VALUES FROM ('2026-11-01')", "FOR VALUES IN (1); DROP TABLE job --"),
    ('"fillfactor=80"', '"fillfactor=80) ; DROP TABLE job --"'),
    ('"tables/job/0000000000.zst"', '"tables/../../etc/passwd"'),
    ('"format": 1', '"format": 2'),
    ('"rows": 3', '"rows": "three"'),
)


def test_a_manifest_with_what_labq_never_writes_is_refused(bundle: Path, postgres_url: str) -> None:
    text = (bundle / "manifest.json").read_text()
    for find, put in FORGERIES:
        assert find in text
        _rewrite(bundle, text.replace(find, put).encode())
        with pytest.raises(DamagedBundleError, match=str(bundle)):
            bring_back(postgres_url, bundle)


def _rewrite(bundle: Path, manifest: bytes) -> None:
    """Put another manifest into a bundle, with an end that fits it."""
    (bundle / "manifest.json").write_bytes(manifest)
    (bundle / "end").write_bytes(_end(0, manifest))


def test_a_file_of_a_bundle_cannot_leave_the_folder(bundle: Path, postgres_url: str) -> None:
    listing = zstandard.decompress((bundle / "files.jsonl.zst").read_bytes(), 10**6)
    forged = zstandard.compress(listing.replace(b'"logs/0/', b'"logs/../../', 1))
    (bundle / "files.jsonl.zst").write_bytes(forged)
    manifest = json.loads((bundle / "manifest.json").read_text())
    member = manifest["files"]["listing"]
    member["bytes"] = len(forged)
    member["sha256"] = hashlib.sha256(forged).hexdigest()
    _rewrite(bundle, json.dumps(manifest).encode())
    with pytest.raises(DamagedBundleError, match=r"logs/\.\./\.\./"):
        bring_back(postgres_url, bundle)


def test_a_bundle_of_a_newer_labq_is_refused(bundle: Path, postgres_url: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["revision"] = "9999"
    _rewrite(bundle, json.dumps(manifest).encode())
    with pytest.raises(ConfigurationError, match="has the schema 9999, this labq knows"):
        bring_back(postgres_url, bundle)
