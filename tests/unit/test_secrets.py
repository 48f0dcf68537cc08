"""Each column that can hold a secret has somebody's decision."""

from __future__ import annotations

import pytest
from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Enum, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB

from labq.models import TABLES
from labq.models.secrets import KEPT, SECRETS, Treatment, can_hold_secret
from labq.services.backup.scrub import undecided

KNOWN = TABLES[0].metadata.tables


def test_every_column_that_can_hold_a_secret_is_decided_on() -> None:
    assert undecided() == [], "say in labq/models/secrets.py what a copy has of these columns"


def test_nothing_is_decided_on_that_is_not_there() -> None:
    gone = [name for name in SECRETS if name not in KNOWN]
    gone += [
        f"{table}.{column}"
        for table, found in SECRETS.items()
        if table in KNOWN and not isinstance(found, Treatment)
        for column in found
        if column not in KNOWN[table].columns
    ]
    assert gone == []


def test_a_column_that_nobody_decided_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SECRETS, "user", {"name": KEPT})
    named = ("email", "first_name", "last_name", "password_hash")
    assert sorted(undecided()) == [f"user.{name}" for name in named]


def test_text_json_bytes_and_lists_of_text_can_hold_a_secret() -> None:
    kinds = (Text(), JSONB(), LargeBinary(), ARRAY(Text))
    assert all(can_hold_secret(kind) for kind in kinds)
    others = (BigInteger(), Boolean(), DateTime(), Enum("a", "b"))
    assert not any(can_hold_secret(kind) for kind in others)
