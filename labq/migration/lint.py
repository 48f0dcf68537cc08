"""Reads what each revision would do, without a database, and has the rules judge it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory

from labq.migration import rules
from labq.migration.backfills import BACKFILLS
from labq.migration.judges import Phase
from labq.migration.statements import Statement, split

EXCEPTED_UP_TO = "0012"
"""The revisions before the first release: there was no running labq that they could have stopped."""
_OWN = ("INSERT INTO alembic_version", "UPDATE alembic_version", "CREATE TABLE alembic_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What is wrong with a revision; `statement` is empty where it is none of them."""

    revision: str
    path: str
    rule: str
    reason: str
    statement: str = ""


def lint(config: Config, excepted_up_to: str = EXCEPTED_UP_TO) -> list[Refusal]:
    """Return what is wrong with the revisions after `excepted_up_to`, whose names are numbers."""
    script = ScriptDirectory.from_config(config)
    found = [each for each in script.walk_revisions() if each.revision > excepted_up_to]
    return [refusal for each in reversed(found) for refusal in _judge(config, each)]


def _judge(config: Config, script: Script) -> Iterator[Refusal]:
    for rule, reason, statement in _problems(config, script):
        yield Refusal(
            revision=script.revision,
            path=script.path,
            rule=rule,
            reason=reason,
            statement=statement,
        )


def _problems(config: Config, script: Script) -> Iterator[tuple[str, str, str]]:
    given = getattr(script.module, "phase", None)
    if given not in tuple(Phase):
        known = ", ".join(Phase)
        yield "phase", f"`phase = ...` must say which of {known} it is, not {given!r}", ""
        return
    for name in getattr(script.module, "requires", ()):
        if name not in {batches.name for batches in BACKFILLS}:
            yield "requires", f"there is no back-fill {name!r} in BACKFILLS", ""
    try:
        statements = list(_statements(config, script))
    except Exception as error:  # noqa: BLE001 - whatever a revision raises is what is wrong with it
        yield "unreadable", f"it cannot be written out without a database: {error!r}", ""
        return
    for finding in rules.check(statements, Phase(given)):
        yield finding.rule, finding.reason, finding.statement


def _statements(config: Config, script: Script) -> Iterator[Statement]:
    out = io.StringIO()
    config.output_buffer = out
    command.upgrade(config, f"{script.down_revision}:{script.revision}", sql=True)
    for statement in split(out.getvalue()):
        if not statement.text.startswith(_OWN):
            yield statement
