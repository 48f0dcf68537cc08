"""Statements end where PostgreSQL would end them."""

from __future__ import annotations

import pytest

from labq.services.backup.sql_text import Scanner


def _statements(text: str) -> list[str]:
    scanner = Scanner()
    found = [scanner.feed(line) for line in text.encode().splitlines(keepends=True)]
    assert scanner.is_between
    return [one for one in found if one is not None]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("SELECT 1;\n", ["SELECT 1;"]),
        ("-- a; remark\n\nSET x = 1; -- and; more\n", ["SET x = 1;"]),
        ("SELECT ';\n;',\n 2;\nSET y = 1;\n", ["SELECT '; ;', 2;", "SET y = 1;"]),
        ("SELECT 'it''s; ';\n", ["SELECT 'it''s; ';"]),
        ("SELECT E'\\';\n';\n", ["SELECT E'\\'; ';"]),
        ('CREATE TABLE "a;\nb" (x int);\n', ['CREATE TABLE "a; b" (x int);']),
        ("DO $x$ a; $$ ;\n; $x$;\n", ["DO $x$ a; $$ ; ; $x$;"]),
        ("/* a; /* b;\n */ ;\n*/ SELECT 1;\n", ["/* a; /* b; */ ; */ SELECT 1;"]),
        ("SELECT name'x;\n';\n", ["SELECT name'x; ';"]),
    ],
)
def test_strings_names_bodies_and_comments_hide_semicolons(
    text: str, statements: list[str]
) -> None:
    assert _statements(text) == statements


def test_an_open_string_is_no_end() -> None:
    scanner = Scanner()
    assert scanner.feed(b"SELECT 'a;\n") is None
    assert not scanner.is_between
