"""What a revision must not do to a big table, each rule with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labq.migration import judges
from labq.migration.judges import Judge, Phase
from labq.migration.statements import Statement


@dataclass(frozen=True, slots=True)
class Finding:
    """A statement that is refused."""

    rule: str
    reason: str
    statement: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is refused: whether a statement does it."""

    name: str
    reason: str
    judge: Judge


def check(statements: Sequence[Statement], phase: Phase) -> Iterator[Finding]:
    """Yield what is wrong with the statements of one revision."""
    seen = judges.begin(statements, phase)
    for statement in statements:
        for rule in RULES:
            if rule.judge(statement, seen):
                yield Finding(rule.name, rule.reason, statement.text)
        judges.note(statement, seen)


RULES = (
    Rule(
        "index-locks",
        "CREATE INDEX stops all writers until it is done: use steps.create_index (CONCURRENTLY)",
        judges.makes_index,
    ),
    Rule(
        "drop-index-locks",
        "DROP INDEX waits for all who use the table, and all others wait behind it: use"
        " steps.drop_index (CONCURRENTLY)",
        judges.drops_index,
    ),
    Rule(
        "concurrent-in-transaction",
        "CONCURRENTLY cannot be part of a transaction: use the function of labq.migration.steps",
        judges.is_concurrent_in_transaction,
    ),
    Rule(
        "default-rewrites",
        "a value that is computed for each row writes the whole table anew while nobody may read it:"
        " add the column without, then back-fill",
        judges.computes_default,
    ),
    Rule(
        "column-without-value",
        "a new column that refuses NULL and has no default fails, and so do inserts of the former labq:"
        " make it nullable, back-fill, then steps.set_not_null",
        judges.needs_values,
    ),
    Rule(
        "column-constraint",
        "a constraint in ADD COLUMN is checked on all rows under the strongest lock: add it by"
        " steps.add_check, add_foreign_key or add_unique",
        judges.constrains_inline,
    ),
    Rule(
        "type-rewrites",
        "a change of type writes the whole table anew while nobody may read it: add a column,"
        " back-fill, contract later",
        judges.in_change(judges.ALTER_TYPE),
    ),
    Rule(
        "not-null-scans",
        "SET NOT NULL reads all rows under the strongest lock unless a validated check proves it: use"
        " steps.set_not_null",
        judges.refuses_null_unproven,
    ),
    Rule(
        "constraint-scans",
        "a constraint without NOT VALID reads all rows while nobody may write: use steps.add_check or"
        " add_foreign_key",
        judges.checks_at_once,
    ),
    Rule(
        "key-builds-index",
        "UNIQUE, PRIMARY KEY and EXCLUDE build their index while nobody may write: use steps.add_unique"
        " (USING INDEX)",
        judges.in_change(judges.ADD_KEY),
    ),
    Rule(
        "validate-in-transaction",
        "VALIDATE CONSTRAINT reads all rows and keeps the locks that its transaction has: commit first,"
        " as labq.migration.steps does",
        judges.validates_in_transaction,
    ),
    Rule(
        "locks-kept",
        "the lock of the statement before is kept while this one waits for its own: commit between, as"
        " labq.migration.steps does",
        judges.locks_another,
    ),
    Rule(
        "writes-all-rows",
        "one statement for all rows locks them until it is done, and its dead rows stay: use a"
        " back-fill",
        judges.of_big(judges.WRITE),
    ),
    Rule(
        "reads-all-rows",
        "one statement that reads all rows keeps its transaction open for long: use a back-fill",
        judges.of_big(judges.READ_ALL),
    ),
    Rule("lock-table", "LOCK TABLE stops everybody", judges.of_big(judges.LOCK)),
    Rule(
        "truncates",
        "TRUNCATE stops everybody, and takes everything",
        judges.of_big(judges.TRUNCATE),
    ),
    Rule(
        "rewrites",
        "CLUSTER, VACUUM FULL and REINDEX TABLE stop everybody",
        judges.of_big(judges.REWRITE),
    ),
    Rule(
        "moves",
        "it writes the whole table anew while nobody may read it",
        judges.in_change(judges.MOVES),
    ),
    Rule(
        "detach-locks",
        "DETACH PARTITION without CONCURRENTLY stops everybody who uses the table",
        judges.in_change(judges.DETACH),
    ),
    Rule(
        "renames",
        "the labq that runs knows the old name: add the new one, back-fill, contract later",
        judges.any_of(judges.RENAME),
    ),
    Rule(
        "takes-away-early",
        "the labq that runs may use it: only a revision of the phase contract takes something away, one"
        " release after nothing used it",
        judges.takes_away_early,
    ),
    Rule(
        "takes-away-silently",
        "a labq that uses it must not begin any more: UPDATE compatibility SET oldest in the same"
        " revision",
        judges.takes_away_silently,
    ),
    Rule(
        "hides",
        "what a block of code does cannot be checked: write single statements",
        judges.any_of(judges.HIDES),
    ),
)
