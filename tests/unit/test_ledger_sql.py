"""SQL and its values as the ledger keeps them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from labq.domain.errors import InvalidInputError
from labq.metrics.ledger import keys, masking
from labq.metrics.ledger.masking import MASKED
from labq.metrics.ledger.sql import normalised, statement_of
from labq.services.credentials import new_secret
from labq.services.ops import explain

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("SELECT * FROM job WHERE id = 5", "SELECT *\n FROM job  WHERE id = 71"),
        ("SELECT 'a', E'it\\'s'", "SELECT 'it''s', ''"),
        (
            "SELECT 1 WHERE id IN (%(id_1_1)s)",
            "SELECT 1 WHERE id IN (%(id_1_1)s)",
        ),
        (
            "SELECT 1 WHERE id IN (%(id_1_1)s, %(id_1_2)s)",
            "SELECT 1 WHERE id IN (%(id_1_1)s, %(id_1_2)s, %(id_1_3)s, %(id_1_4)s)",
        ),
        (
            "INSERT INTO t (a, b) VALUES (%(a__0)s, %(b__0)s)",
            "INSERT INTO t (a, b) VALUES (%(a__0)s, %(b__0)s), (%(a__1)s, %(b__1)s)",
        ),
    ],
)
def test_calls_that_differ_in_their_values_only_are_one_statement(first: str, second: str) -> None:
    assert normalised(first) == normalised(second)
    assert statement_of(first).id == statement_of(second).id


def test_a_normalised_text_has_no_value_and_keeps_its_names() -> None:
    text = normalised("SELECT job_2026_11.id FROM job_2026_11 WHERE name = 'geheim' AND n > 4711")
    assert text == "SELECT job_2026_11.id FROM job_2026_11 WHERE name = ? AND n > ?"


def test_a_batch_of_any_length_is_one_statement() -> None:
    def insert(rows: int) -> str:
        values = ", ".join(f"(%(a__{row})s, %(b__{row})s)" for row in range(rows))
        return f"INSERT INTO t (a, b) VALUES {values} ON CONFLICT DO NOTHING"

    assert len({statement_of(insert(rows)).id for rows in (1, 2, 100, 5_000)}) == 1


def test_a_value_that_was_cut_off_is_left_out_too() -> None:
    assert normalised("UPDATE t SET a = 'geheim' || E'x\\'y") == "UPDATE t SET a = ? || ?"
    assert normalised("UPDATE t SET a = 'gehe") == "UPDATE t SET a = ?"


def test_statements_that_differ_have_names_of_their_own() -> None:
    assert statement_of("SELECT id FROM job").id != statement_of("SELECT id FROM run").id


def test_values_can_be_bound_again() -> None:
    values: dict[str, object] = {
        "none": None,
        "yes": True,
        "number": 7,
        "share": 0.5,
        "price": Decimal("1.50"),
        "at": NOON,
        "day": date(2026, 11, 20),
        "state": "finished",
        "age": timedelta(days=2, microseconds=5),
        "ids": [3, 4],
        "names": ["a", "b"],
    }
    kept = masking.kept(values)
    assert kept is not None
    assert masking.bound(kept) == values
    assert not masking.has_masked(kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("digest_1", b"\x01\x02"),
        ("password_hash", "argon"),
        ("token", "short"),
        ("definition", "job_name: x"),
        ("param_1", new_secret()),
        ("param_1", "x" * 200),
        ("names", [new_secret()]),
        ("param_1", f"labq_{new_secret()}"),
        ("target", {"token": "geheim"}),
    ],
    ids=range(9),
)
def test_secrets_and_what_is_unknown_are_masked(name: str, value: object) -> None:
    kept = masking.kept({name: value})
    assert kept is not None
    assert kept[name][1] == MASKED
    assert masking.has_masked(kept)


def test_secrets_in_an_address_are_masked() -> None:
    secret = new_secret()
    shown = masking.masked_query(f"type=rk3399&ticket=abc&next={secret}")
    assert shown == f"type=rk3399&ticket={MASKED}&next={MASKED}"


def test_values_of_no_known_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="no kind of value"):
        masking.bound({"x": ("code", "1")})


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id, updated_at FROM job WHERE state = 'delete; drop' AND id = %(update_1)s",
        'WITH a AS (SELECT 1) SELECT * FROM a JOIN "set" ON true',
        "SELECT pg_table_size(c.oid) FROM pg_class c",
    ],
)
def test_a_plain_select_can_be_explained(statement: str) -> None:
    explain.check(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE job SET state = 'x'",
        "SELECT 1; COMMIT; DROP TABLE job",
        "WITH gone AS (DELETE FROM job RETURNING id) SELECT * FROM gone",
        "SELECT * FROM job FOR UPDATE",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT set_config('role', 'x', false)",
        "SELECT nextval('job_id_seq')",
        "SELECT lo_import('/etc/passwd')",
        "SELECT 1 -- x",
        "SELECT * INTO copy_of_job FROM job",
        "EXPLAIN SELECT 1",
        "",
    ],
)
def test_anything_else_is_not_explained(statement: str) -> None:
    with pytest.raises(InvalidInputError):
        explain.check(statement)


def test_a_seal_fits_its_own_call_and_key_alone() -> None:
    values = {"id_1": ("int", "5")}
    seal = keys.seal("key", "SELECT 1", values)
    assert keys.is_sealed("key", "SELECT 1", values, seal)
    assert not keys.is_sealed("key", "SELECT 2", values, seal)
    assert not keys.is_sealed("key", "SELECT 1", {"id_1": ("int", "6")}, seal)
    assert not keys.is_sealed("other", "SELECT 1", values, seal)
    assert not keys.is_sealed("", "SELECT 1", values, "")
