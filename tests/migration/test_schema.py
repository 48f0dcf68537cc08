"""The migrations and the models describe one and the same schema."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy.schema import SchemaItem

from labq.domain.errors import ConfigurationError
from labq.models import TABLES
from labq.models.partition import is_partition
from labq.services import schema
from labq.services.database import Role, make_engine


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(schema.configuration()).get_heads()) == 1


def test_the_migrated_schema_equals_the_models(database_url: str) -> None:
    assert _differences(database_url) == []


def test_each_migration_goes_down_and_up_again(empty_database_url: str) -> None:
    script = ScriptDirectory.from_config(schema.configuration())
    for revision in reversed(list(script.walk_revisions())):
        schema.upgrade(empty_database_url, revision.revision)
        schema.downgrade(empty_database_url, revision.down_revision or "base")
        schema.upgrade(empty_database_url, revision.revision)
    assert _differences(empty_database_url) == []
    schema.downgrade(empty_database_url, "base")
    engine = make_engine(empty_database_url, Role.COMMAND)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_servers_that_start_together_migrate_once(empty_database_url: str) -> None:
    failures: list[BaseException] = []

    def migrate() -> None:
        try:
            schema.upgrade(empty_database_url)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=migrate) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    schema.check(empty_database_url)


def test_a_database_without_the_newest_schema_is_named(empty_database_url: str) -> None:
    with pytest.raises(ConfigurationError, match="schema none"):
        schema.check(empty_database_url)


def _differences(url: str) -> list[object]:
    engine = make_engine(url, Role.COMMAND)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "compare_server_default": True,
                    "include_object": _is_compared,
                },
            )
            found: list[object] = compare_metadata(context, TABLES[0].metadata)
            return found
    finally:
        engine.dispose()


def _is_compared(
    _item: SchemaItem, name: str | None, kind: str, _reflected: bool, _other: SchemaItem | None
) -> bool:
    """Leave partitions out: which there are depends on the jobs."""
    return not (kind == "table" and is_partition(name or ""))
