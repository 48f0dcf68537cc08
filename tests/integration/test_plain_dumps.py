"""Plain files of pg_dump: their rows come back, and nothing in them is carried out."""

from __future__ import annotations

import gzip
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from labq.config import Settings
from labq.domain.errors import ConfigurationError
from labq.services import schema
from labq.services.backup import plain
from labq.services.backup.manifest import DamagedBundleError
from labq.services.backup.plain import PlainDump
from labq.supervisor.postgres import Postgres
from tests.integration import copies
from tests.integration.copies import bring_back, content, fill
from tests.integration.web_site import Site

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "sql": bytes,
    "gz": gzip.compress,
    "xz": lambda data: lzma.compress(data[:1000]) + bytes(4) + lzma.compress(data[1000:]),
    "zst": lambda data: zstandard.compress(data[:1000]) + zstandard.compress(data[1000:]),
}


@pytest.fixture
def dumped(site: Site, settings: Settings, postgres: Postgres) -> bytes:
    """Return a plain dump of a filled server, with texts that look like what is around them."""
    fill(site, settings.blobs)
    site.change(
        r"INSERT INTO audit (at, actor, subject, subject_id, before, after, reason)"
        r" VALUES (now(), '\.', E'a\n\\.\nb', E'\t', 'COPY x FROM stdin;', '-- PostgreSQL', E'\\')"
    )
    return _dump(postgres, settings.database_url)


@pytest.fixture(scope="module")
def example(postgres: Postgres, migrated_template: str) -> bytes:
    """Return a plain dump of a server without data."""
    return _dump(postgres, postgres.url(migrated_template))


def _dump(postgres: Postgres, url: str, *options: str) -> bytes:
    words = [str(postgres.programs / "pg_dump"), "--dbname", url, *options]
    return subprocess.run(words, capture_output=True, check=True, timeout=60).stdout


def _written(folder: Path, data: bytes, kind: str = "sql") -> Path:
    path = folder / f"labq.{kind}"
    path.write_bytes(PACKERS[kind](data))
    return path


def test_all_that_is_in_a_dump_is_found_in_each_form(
    dumped: bytes, settings: Settings, tmp_path: Path
) -> None:
    before = content(settings.database_url)
    for kind in PACKERS:
        found = PlainDump(_written(tmp_path, dumped, kind)).survey()
        there = {block.shape.name: block.rows for block in found.blocks if block.rows}
        assert {name: there[name] for name in before} == {
            name: len(before[name]) for name in before
        }
        assert found.revision == copies.ask(
            settings.database_url, "SELECT version_num FROM alembic_version"
        )
        (case,) = (one.shape for one in found.blocks if one.shape.name == "test_case_2026_11")
        assert case.parent == "test_case"


def test_a_dump_is_restored(
    dumped: bytes, settings: Settings, tmp_path: Path, empty_database_url: str
) -> None:
    # Whatever else stands in the file is not carried out.
    harm = b"DROP TABLE job;\nCREATE TABLE harm (x int);\nDO $$ BEGIN; DROP TABLE job; END $$;\n"
    end = dumped.rindex(b"--\n-- PostgreSQL database dump complete")
    path = _written(tmp_path, dumped[:end] + harm + dumped[end:], "gz")
    bring_back(empty_database_url, path)
    assert content(empty_database_url) == content(settings.database_url)
    assert copies.sequences(empty_database_url) == copies.sequences(settings.database_url)
    assert copies.rules(empty_database_url) == copies.rules(settings.database_url)
    assert copies.ask(empty_database_url, "SELECT to_regclass('harm')") is None


def test_a_dump_of_an_earlier_schema_is_brought_up_to_date(
    postgres: Postgres, empty_database_url: str, database_url: str, tmp_path: Path
) -> None:
    schema.upgrade(empty_database_url, "0006")
    insert = "INSERT INTO device_type (name) VALUES ('old')"
    subprocess.run(
        [str(postgres.programs / "psql"), "--dbname", empty_database_url, "--command", insert],
        check=True,
        timeout=60,
        capture_output=True,
    )
    path = _written(tmp_path, _dump(postgres, empty_database_url))
    done = bring_back(database_url, path, replaces=True)
    assert done.revision == "0006"
    assert schema.check(database_url).is_current
    assert copies.ask(database_url, "SELECT name FROM device_type") == "old"


@pytest.mark.parametrize("kind", PACKERS)
def test_a_dump_that_was_cut_anywhere_is_refused_naming_line_and_byte(
    example: bytes, tmp_path: Path, kind: str
) -> None:
    path = _written(tmp_path, example, kind)
    data = path.read_bytes()
    # A plain one is whole before its last lines, which are for psql.
    last = data.index(b"dump complete") if kind == "sql" else len(data) - 60
    for place in {len(data) * share // 100 for share in (3, 30, 60, 90)} | {last, 5}:
        path.write_bytes(data[:place])
        with pytest.raises(DamagedBundleError) as refused:
            PlainDump(path).survey()
        assert f"{path}, line " in str(refused.value)
        assert "cut" in str(refused.value)


@pytest.mark.parametrize(
    ("find", "put", "said"),
    [
        (
            b"SET client_encoding = 'UTF8';",
            b"SET client_encoding = 'LATIN1';",
            "its text is LATIN1",
        ),
        (b"SET check_function_bodies", b"\\! touch /tmp/harm\nSET x", "a command of psql"),
        (b"COPY public.audit (", b"COPY secret.audit (", "is not a COPY of a table of labq's"),
        (b"COPY public.alembic_version", b"COPY public.other", "no revision of labq's schema"),
        (b"SET check_function_bodies", b"INSERT INTO x VALUES (1);\nSET x", "without --inserts"),
    ],
)
def test_what_pg_dump_never_writes_is_refused(
    example: bytes, tmp_path: Path, find: bytes, put: bytes, said: str
) -> None:
    assert find in example
    path = _written(tmp_path, example.replace(find, put, 1))
    with pytest.raises(DamagedBundleError, match=said):
        PlainDump(path).survey()


def test_rows_of_a_table_that_labq_has_not_are_refused(
    example: bytes, tmp_path: Path, empty_database_url: str
) -> None:
    path = _written(tmp_path, example.replace(b"COPY public.audit (", b"COPY public.payroll (", 1))
    with pytest.raises(
        DamagedBundleError, match="table payroll: labq's schema of that revision has"
    ):
        bring_back(empty_database_url, path)
    with pytest.raises(ConfigurationError, match="has not come to its end"):
        schema.check(empty_database_url)


@pytest.mark.parametrize("kind", ["gz", "xz", "zst"])
def test_a_file_that_unpacks_to_far_too_much_is_not_unpacked_to_its_end(
    tmp_path: Path, kind: str
) -> None:
    path = _written(tmp_path, b"SELECT '" + bytes(50_000_000), kind)
    with pytest.raises(DamagedBundleError, match="a statement has more than 4194304 bytes"):
        PlainDump(path).survey()
    path = _written(tmp_path, b"-- \n" * 1_000_000, kind)
    with pytest.raises(DamagedBundleError, match="it unpacks to more than 1000000 bytes"):
        PlainDump(path, most_bytes=1_000_000).survey()
    assert plain.is_plain(path)
