"""Whether a statement does what a rule refuses. Pure: patterns on single statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from labq.migration.statements import Statement
from labq.migration.tables import is_big, is_partitioned


class Phase(StrEnum):
    """What a revision is for.

    Expand adds; migrate begins back-fills; contract takes away what no labq in use needs any more.
    """

    EXPAND = "expand"
    MIGRATE = "migrate"
    CONTRACT = "contract"


@dataclass(slots=True)
class Seen:
    """What the statements before the present one did."""

    phase: Phase
    made: set[str] = field(default_factory=set)
    not_null: set[tuple[str, str, str]] = field(default_factory=set)
    validated: set[tuple[str, str]] = field(default_factory=set)
    locked: dict[int, str] = field(default_factory=dict)
    raises_oldest: bool = False

    def is_big(self, table: str) -> bool:
        """Tell whether a table is big and not one that this revision makes."""
        return table not in self.made and is_big(table)


Judge = Callable[[Statement, Seen], bool]


def begin(statements: Sequence[Statement], phase: Phase) -> Seen:
    """Return what is known before the first statement of a revision."""
    return Seen(phase, raises_oldest=any(_RAISES.search(each.text) for each in statements))


_TABLE = r'(?:public\.)?"?(?P<table>\w+)"?'
_I = re.IGNORECASE
_ALTER = re.compile(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{_TABLE} (?P<change>.*)", _I)
_INDEX = re.compile(
    rf"CREATE (?:UNIQUE )?INDEX (?P<how>CONCURRENTLY )?(?:IF NOT EXISTS )?(?:\S+ )?"
    rf"ON (?P<only>ONLY )?{_TABLE}",
    _I,
)
_DROP_INDEX = re.compile(r"DROP INDEX (?!CONCURRENTLY )(?:IF EXISTS )?(?P<names>.*)", _I)
_CONCURRENT = re.compile(r"(?:(?:CREATE|DROP|REINDEX)\b.*|DETACH PARTITION \S+ )CONCURRENTLY\b", _I)
WRITE = re.compile(
    rf"(?:WITH\b.*\b)?(?:UPDATE (?:ONLY )?|DELETE FROM (?:ONLY )?|MERGE INTO ){_TABLE}",  # noqa: S608 - a pattern, never sent
    _I,
)
READ_ALL = re.compile(rf"INSERT INTO .*\bSELECT\b.*\b(?:FROM|JOIN) {_TABLE}", _I)
LOCK = re.compile(rf"LOCK (?:TABLE )?(?:ONLY )?{_TABLE}", _I)
TRUNCATE = re.compile(rf"TRUNCATE (?:TABLE )?(?:ONLY )?{_TABLE}", _I)
REWRITE = re.compile(rf"(?:CLUSTER|VACUUM (?:\(.*\) |FULL )+|REINDEX TABLE) ?{_TABLE}", _I)
_ADD_COLUMN = re.compile(r"ADD (?:COLUMN )(?:IF NOT EXISTS )?(?P<rest>.*)", _I)
_TEXT = re.compile(r"'(?:[^']|'')*'")
_DEFAULT = re.compile(r"\bDEFAULT (?P<value>.*)", _I)
_CALL = re.compile(r"\b(?P<name>\w+)\s*\(", _I)
_STABLE = frozenset({"now", "transaction_timestamp", "statement_timestamp", "cast"})
_TYPES = frozenset({"numeric", "varchar", "char", "character", "timestamp", "time", "bit"})
_GENERATED = re.compile(r"\bGENERATED\b|\b(?:BIG|SMALL)?SERIAL\b", _I)
_INLINE = re.compile(r"\b(?:REFERENCES|UNIQUE|PRIMARY KEY|CHECK)\b", _I)
_ADD_CONSTRAINT = re.compile(r"ADD (?:CONSTRAINT (?P<name>\S+) )?(?P<kind>CHECK|FOREIGN KEY)\b", _I)
ADD_KEY = re.compile(
    r"ADD (?:CONSTRAINT \S+ )?(?:UNIQUE|PRIMARY KEY|EXCLUDE)\b(?! USING INDEX)", _I
)
_NOT_NULL_CHECK = re.compile(
    r"ADD CONSTRAINT (?P<name>\S+) CHECK \(+(?P<column>\w+) IS NOT NULL\)+ NOT VALID", _I
)
_VALIDATE = re.compile(r"VALIDATE CONSTRAINT (?P<name>\S+)", _I)
_SET_NOT_NULL = re.compile(r"ALTER (?:COLUMN )?\"?(?P<column>\w+)\"? SET NOT NULL", _I)
ALTER_TYPE = re.compile(r"ALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE\b", _I)
MOVES = re.compile(r"SET (?:TABLESPACE|LOGGED|UNLOGGED|ACCESS METHOD)\b", _I)
DETACH = re.compile(r"DETACH PARTITION \S+(?! CONCURRENTLY| FINALIZE)(?=\s*\Z)", _I)
RENAME = re.compile(r"ALTER (?:TABLE|INDEX|TYPE|SEQUENCE) .*\bRENAME\b", _I)
_TAKES_AWAY = re.compile(
    r"DROP TABLE|ALTER TABLE .*\bDROP (?:COLUMN )?(?!CONSTRAINT|DEFAULT|NOT NULL|IDENTITY|EXPRESSION)",
    _I,
)
HIDES = re.compile(r"(?:DO|CALL) ", _I)
_RAISES = re.compile(r"UPDATE compatibility SET oldest", _I)
_MADE = re.compile(rf"CREATE TABLE (?:IF NOT EXISTS )?{_TABLE}", _I)


def _changes(statement: Statement, seen: Seen) -> list[str]:
    """Return the clauses of an ALTER TABLE of a big table."""
    match = _ALTER.match(statement.text)
    return _clauses(match["change"]) if match and seen.is_big(match["table"]) else []


def _clauses(text: str) -> list[str]:
    """Cut at the commas that stand in no brackets and no quotes."""
    depth, quote, cuts = 0, "", [-1]
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "([":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "," and depth == 0:
            cuts.append(position)
    return [text[a + 1 : b].strip() for a, b in pairwise([*cuts, len(text)])]


def _columns(statement: Statement, seen: Seen) -> list[str]:
    """Return the columns that are added to a big table, as they are defined, without their texts."""
    matches = map(_ADD_COLUMN.match, _changes(statement, seen))
    return [_TEXT.sub("''", match["rest"]) for match in matches if match]


def of_big(pattern: re.Pattern[str]) -> Judge:
    """Return a rule for statements that name a big table."""

    def judge(statement: Statement, seen: Seen) -> bool:
        match = pattern.match(statement.text)
        return bool(match and seen.is_big(match["table"]))

    return judge


def any_of(pattern: re.Pattern[str]) -> Judge:
    """Return a rule for statements of a kind, whatever table they are about."""
    return lambda statement, _seen: bool(pattern.match(statement.text))


def in_change(pattern: re.Pattern[str]) -> Judge:
    """Return a rule for what is done to a big table by ALTER TABLE."""
    return lambda statement, seen: any(map(pattern.search, _changes(statement, seen)))


def makes_index(statement: Statement, seen: Seen) -> bool:
    """Tell whether an index is made while writers wait."""
    match = _INDEX.match(statement.text)
    return bool(match and not match["how"] and not match["only"] and seen.is_big(match["table"]))


def drops_index(statement: Statement, seen: Seen) -> bool:
    """Tell whether an index is dropped while all wait; with partitions there is no other way."""
    match = _DROP_INDEX.match(statement.text)
    names = [name.strip(' "') for name in match["names"].split(",")] if match else []
    return any(
        not _is_of(name, is_partitioned) and not _is_of(name, seen.made.__contains__)
        for name in names
    )


def _is_of(index: str, is_meant: Callable[[str], bool]) -> bool:
    """Tell whether an index is of a table that is meant, by how labq names indexes."""
    words = index.split("_")[1:]
    return any(is_meant("_".join(words[:end])) for end in range(1, len(words)))


def is_concurrent_in_transaction(statement: Statement, _seen: Seen) -> bool:
    """Tell whether PostgreSQL would refuse it where it stands."""
    return bool(statement.transaction and _CONCURRENT.search(statement.text))


def computes_default(statement: Statement, seen: Seen) -> bool:
    """Tell whether a new column has a value that is computed for each row."""
    return any(map(_is_computed, _columns(statement, seen)))


def _is_computed(column: str) -> bool:
    default = _DEFAULT.search(column)
    calls = {name.lower() for name in _CALL.findall(default["value"])} if default else set()
    return bool(calls - _STABLE - _TYPES) or bool(_GENERATED.search(column))


def needs_values(statement: Statement, seen: Seen) -> bool:
    """Tell whether a new column refuses NULL and has no default."""
    columns = [column.upper() for column in _columns(statement, seen)]
    return any("NOT NULL" in column and "DEFAULT" not in column for column in columns)


def constrains_inline(statement: Statement, seen: Seen) -> bool:
    """Tell whether a new column comes with a constraint."""
    return any(map(_INLINE.search, _columns(statement, seen)))


def checks_at_once(statement: Statement, seen: Seen) -> bool:
    """Tell whether a check or foreign key is added that is checked on all rows in the same step."""
    added = filter(_ADD_CONSTRAINT.match, _changes(statement, seen))
    return not all(clause.upper().endswith("NOT VALID") for clause in added)


def refuses_null_unproven(statement: Statement, seen: Seen) -> bool:
    """Tell whether a column refuses NULL without a validated check that there is none."""
    matches = map(_SET_NOT_NULL.match, _changes(statement, seen))
    wanted = {match["column"] for match in matches if match}
    table = _table_of(statement)
    proven = {
        column
        for owner, name, column in seen.not_null
        if owner == table and (table, name) in seen.validated
    }
    return not wanted <= proven


def validates_in_transaction(statement: Statement, seen: Seen) -> bool:
    """Tell whether all rows are checked while locks may be held."""
    return bool(statement.transaction and any(map(_VALIDATE.match, _changes(statement, seen))))


def locks_another(statement: Statement, seen: Seen) -> bool:
    """Tell whether its transaction holds a lock of a big table already."""
    return bool(
        statement.transaction
        and statement.transaction in seen.locked
        and (_changes(statement, seen) or of_big(_INDEX)(statement, seen))
    )


def takes_away_early(statement: Statement, seen: Seen) -> bool:
    """Tell whether something goes that the labq which runs may use."""
    return seen.phase is not Phase.CONTRACT and bool(_TAKES_AWAY.match(statement.text))


def takes_away_silently(statement: Statement, seen: Seen) -> bool:
    """Tell whether something goes and nobody is told."""
    return (
        seen.phase is Phase.CONTRACT
        and not seen.raises_oldest
        and bool(_TAKES_AWAY.match(statement.text))
    )


def _table_of(statement: Statement) -> str:
    match = _ALTER.match(statement.text)
    return match["table"] if match else ""


def note(statement: Statement, seen: Seen) -> None:
    """Take up what a statement did."""
    if made := _MADE.match(statement.text):
        seen.made.add(made["table"])
    table = _table_of(statement)
    for change in _changes(statement, seen):
        if proof := _NOT_NULL_CHECK.match(change):
            seen.not_null.add((table, proof["name"], proof["column"]))
        if checked := _VALIDATE.match(change):
            seen.validated.add((table, checked["name"]))
        if statement.transaction:
            seen.locked[statement.transaction] = table
