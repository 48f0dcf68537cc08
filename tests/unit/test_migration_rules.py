"""What a revision must not do to a big table: each rule is seen to refuse, and to let pass."""

from __future__ import annotations

import pytest

from labq.migration import rules, tables
from labq.migration.judges import Phase
from labq.migration.statements import split
from labq.models.partition import PARTITIONED


def _refused(sql: str, phase: Phase = Phase.EXPAND) -> list[str]:
    return [finding.rule for finding in rules.check(list(split(sql)), phase)]


CHECKED = "ALTER TABLE job ADD CONSTRAINT c CHECK (name IS NOT NULL) NOT VALID"
REFUSING = "ALTER TABLE job ALTER COLUMN name SET NOT NULL"
REFUSED = [
    ("CREATE INDEX ix_a ON job (name)", ["index-locks"]),
    ("CREATE UNIQUE INDEX IF NOT EXISTS ix_a ON public.test_case_2026_11 (id)", ["index-locks"]),
    ("DROP INDEX ix_job_name", ["drop-index-locks"]),
    ("DROP INDEX IF EXISTS ix_odd, ix_run_state", ["drop-index-locks"]),
    ("BEGIN; CREATE INDEX CONCURRENTLY ix_a ON job (id)", ["concurrent-in-transaction"]),
    ("BEGIN; DROP INDEX CONCURRENTLY ix_job_a", ["concurrent-in-transaction"]),
    ("ALTER TABLE job ADD COLUMN a uuid DEFAULT gen_random_uuid()", ["default-rewrites"]),
    ("ALTER TABLE job ADD COLUMN a timestamptz DEFAULT clock_timestamp()", ["default-rewrites"]),
    ("ALTER TABLE job ADD COLUMN a BIGSERIAL", ["default-rewrites"]),
    ("ALTER TABLE job ADD COLUMN a int GENERATED ALWAYS AS (id * 2) STORED", ["default-rewrites"]),
    ("ALTER TABLE job ADD COLUMN b int, ADD COLUMN a float DEFAULT random()", ["default-rewrites"]),
    ("ALTER TABLE run ADD COLUMN IF NOT EXISTS a int NOT NULL", ["column-without-value"]),
    ("ALTER TABLE run ADD COLUMN a text REFERENCES host (name)", ["column-constraint"]),
    ("ALTER TABLE run ADD COLUMN a int UNIQUE", ["column-constraint"]),
    ("ALTER TABLE run ADD COLUMN a int CHECK (a > 0)", ["column-constraint"]),
    ("ALTER TABLE step ALTER COLUMN position TYPE bigint", ["type-rewrites"]),
    ("ALTER TABLE step ALTER position SET DATA TYPE bigint", ["type-rewrites"]),
    ("ALTER TABLE job ALTER COLUMN name SET NOT NULL", ["not-null-scans"]),
    (
        f"{CHECKED}; {REFUSING}",
        ["not-null-scans"],
    ),
    ("ALTER TABLE job ADD CONSTRAINT a CHECK (id > 0)", ["constraint-scans"]),
    (
        "ALTER TABLE job ADD CONSTRAINT a FOREIGN KEY (b) REFERENCES host (name)",
        ["constraint-scans"],
    ),
    ("ALTER TABLE job ADD CONSTRAINT a UNIQUE (name)", ["key-builds-index"]),
    ("ALTER TABLE job ADD PRIMARY KEY (id)", ["key-builds-index"]),
    ("ALTER TABLE job ADD CONSTRAINT a EXCLUDE USING gist (b WITH &&)", ["key-builds-index"]),
    ("BEGIN; ALTER TABLE job VALIDATE CONSTRAINT a", ["validate-in-transaction"]),
    (
        "BEGIN; ALTER TABLE job ADD COLUMN a int; ALTER TABLE run ADD COLUMN a int; COMMIT",
        ["locks-kept"],
    ),
    ("UPDATE job SET name = ''", ["writes-all-rows"]),
    ("DELETE FROM audit WHERE id < 7", ["writes-all-rows"]),
    ("WITH old AS (SELECT 1) UPDATE run SET state = 'x'", ["writes-all-rows"]),
    ("INSERT INTO small SELECT id FROM job", ["reads-all-rows"]),
    ("LOCK TABLE job IN SHARE MODE", ["lock-table"]),
    ("TRUNCATE test_case", ["truncates"]),
    ("VACUUM (FULL) job", ["rewrites"]),
    ("CLUSTER job USING pk_job", ["rewrites"]),
    ("REINDEX TABLE job", ["rewrites"]),
    ("ALTER TABLE job SET UNLOGGED", ["moves"]),
    ("ALTER TABLE test_case DETACH PARTITION test_case_2026_11", ["detach-locks"]),
    ("ALTER TABLE host RENAME COLUMN a TO b", ["renames"]),
    ("ALTER TABLE host DROP COLUMN mismatch", ["takes-away-early"]),
    ("DROP TABLE host", ["takes-away-early"]),
    ("DO $$ BEGIN DELETE FROM job; END $$", ["hides"]),
]
PASSED = [
    "CREATE INDEX CONCURRENTLY ix_a ON job (name)",
    "CREATE INDEX ix_a ON ONLY test_case (name)",
    "CREATE INDEX ix_host_name ON host (name)",
    "CREATE TABLE job_mark (id int); CREATE INDEX ix_job_mark_id ON job_mark (id)",
    "DROP INDEX CONCURRENTLY ix_job_name",
    "DROP INDEX ix_test_case_name",
    "ALTER TABLE job ADD COLUMN a timestamptz DEFAULT now() NOT NULL",
    "ALTER TABLE job ADD COLUMN a numeric(30, 10) DEFAULT CAST('1' AS numeric(30, 10))",
    "ALTER TABLE job ADD COLUMN a text DEFAULT 'random(), not null' NOT NULL",
    "ALTER TABLE host ADD COLUMN a uuid DEFAULT gen_random_uuid()",
    f"{CHECKED}; ALTER TABLE job VALIDATE CONSTRAINT c; {REFUSING}",
    "ALTER TABLE job ADD CONSTRAINT a FOREIGN KEY (b) REFERENCES host (name) NOT VALID",
    "ALTER TABLE job ADD CONSTRAINT a UNIQUE USING INDEX a",
    "ALTER TABLE job DROP CONSTRAINT a",
    "ALTER TABLE job ALTER COLUMN name DROP NOT NULL",
    "ALTER TABLE test_case DETACH PARTITION test_case_2026_11 CONCURRENTLY",
    "BEGIN; ALTER TABLE job ADD COLUMN a int; ALTER TABLE host ADD COLUMN a int; COMMIT",
    "BEGIN; ALTER TABLE job ADD COLUMN a int; COMMIT; BEGIN; ALTER TABLE run ADD COLUMN a int",
    "UPDATE compatibility SET oldest = '0012'",
    "SELECT 'LOCK TABLE job; UPDATE job SET a = 1' -- ; DROP TABLE job",
]


@pytest.mark.parametrize(("sql", "rules_broken"), REFUSED)
def test_what_stops_a_running_server_is_refused(sql: str, rules_broken: list[str]) -> None:
    assert _refused(sql) == rules_broken


@pytest.mark.parametrize("sql", PASSED)
def test_what_stops_nobody_passes(sql: str) -> None:
    assert _refused(sql) == []


def test_each_rule_is_seen_to_refuse() -> None:
    seen = {rule for _, broken in REFUSED for rule in broken} | {"takes-away-silently"}
    assert seen == {rule.name for rule in rules.RULES}


def test_only_a_contracting_revision_that_says_so_takes_something_away() -> None:
    drop = "ALTER TABLE job DROP COLUMN a"
    assert _refused(drop, Phase.MIGRATE) == ["takes-away-early"]
    assert _refused(drop, Phase.CONTRACT) == ["takes-away-silently"]
    told = f"{drop}; UPDATE compatibility SET oldest = '0012'"
    assert _refused(told, Phase.CONTRACT) == []


def test_a_finding_names_the_statement_and_the_reason() -> None:
    sql = "-- said\nALTER   TABLE job\n  ADD CONSTRAINT a CHECK (id > 0);"
    (finding,) = rules.check(list(split(sql)), Phase.EXPAND)
    assert finding.statement == "ALTER TABLE job ADD CONSTRAINT a CHECK (id > 0)"
    assert "NOT VALID" in finding.reason


def test_partitions_are_as_big_as_their_table() -> None:
    assert tables.is_big("test_case_2026_11")
    assert not tables.is_big("host")
    assert tables.PARTITIONED == PARTITIONED
