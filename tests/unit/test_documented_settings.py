"""Every setting stands in the docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labq.config import PREFIX, Settings

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = "\n".join(path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md"))
SETTINGS_TABLE = (DOCS / "quickstart.md").read_text(encoding="utf-8").partition("## Settings")[2]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_is_documented(name: str) -> None:
    variable = name.upper()
    in_full = re.search(rf"\b{PREFIX}{variable}\b", TEXT)
    in_the_table = f"`{variable}`" in SETTINGS_TABLE
    assert in_full or in_the_table, f"no page of docs/ names {PREFIX}{variable}"


def test_the_table_names_only_settings_that_are_there() -> None:
    rows = re.findall(r"^\| (`.*?) \|", SETTINGS_TABLE, re.M)
    named = {name.lower() for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named
    assert named <= Settings.model_fields.keys()
