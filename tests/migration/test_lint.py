"""`labq db lint`: revisions are read without a database, and judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from labq.migration import backfills, lint
from labq.services import schema
from tests.migration.killing import WEIGH
from tests.migration.revisions import CONTRACT, EXPAND, HEAD, configured, write

STEPPING = {
    "index-locks": 'op.create_index("ix_job_a", "job", ["name"])',
    "default-rewrites": (
        'op.add_column("job", sa.Column("a", sa.Text(), server_default=sa.text("md5(name)")))'
    ),
    "column-without-value": 'op.add_column("job", sa.Column("a", sa.Text(), nullable=False))',
    "type-rewrites": 'op.alter_column("run", "number", type_=sa.BigInteger())',
    "not-null-scans": 'op.alter_column("run", "sent", nullable=False)',
    "constraint-scans": 'op.create_check_constraint("a", "run", "id > 0")',
    "key-builds-index": 'op.create_unique_constraint("a", "run", ["id", "epoch"])',
    "drop-index-locks": 'op.drop_index("ix_job_a")',
    "renames": 'op.alter_column("job", "name", new_column_name="title")',
    "takes-away-early": 'op.drop_column("job", "name")',
    "writes-all-rows": """op.execute("UPDATE job SET name = ''")""",
    "unreadable": 'op.get_bind().scalar(sa.text("SELECT 1"))',
}


def _found(folder: Path) -> list[lint.Refusal]:
    return lint.lint(configured(folder), HEAD)


def test_no_revision_of_labq_stops_a_big_table() -> None:
    assert lint.lint(schema.configuration()) == []


def test_revisions_made_of_steps_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfills, "BACKFILLS", (WEIGH,))
    monkeypatch.setattr(lint, "BACKFILLS", (WEIGH,))
    write(tmp_path, "9001", EXPAND)
    write(tmp_path, "9002", 'steps.backfill("weigh")', before="9001", phase="migrate")
    write(tmp_path, "9003", CONTRACT, before="9002", phase="contract", requires=("weigh",))
    assert _found(tmp_path) == []


def test_each_revision_that_stops_a_big_table_is_named_with_its_statement(tmp_path: Path) -> None:
    before = HEAD
    for number, body in enumerate(STEPPING.values(), 9001):
        write(tmp_path, str(number), body, before=before)
        before = str(number)
    found = _found(tmp_path)
    assert [refusal.rule for refusal in found] == list(STEPPING)
    assert [refusal.revision for refusal in found] == [str(9001 + n) for n in range(len(STEPPING))]
    assert found[0].statement == "CREATE INDEX ix_job_a ON job (name)"
    assert found[0].path == str(tmp_path / "9001.py")


def test_a_revision_says_its_phase_and_requires_what_there_is(tmp_path: Path) -> None:
    write(tmp_path, "9001", "pass", phase="soon")
    write(tmp_path, "9002", "pass", before="9001", phase="contract", requires=("nothing",))
    first, second = _found(tmp_path)
    assert (first.rule, second.rule) == ("phase", "requires")
    assert "expand, migrate, contract" in first.reason
    assert "'nothing'" in second.reason
