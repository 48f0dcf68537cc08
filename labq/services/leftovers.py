"""Indexes that were left half made: nobody uses them, and `IF NOT EXISTS` would pass over them."""

from __future__ import annotations

from sqlalchemy import Engine, text

from labq.migration.locks import LONG_MS, set_timeout


def drop_leftovers(engine: Engine) -> list[str]:
    """Drop those of tables without partitions that nobody is making now, and return their names.

    The index of a table with partitions is no leftover: it counts once each partition has its part.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        names = list(connection.scalars(_LEFT))
        set_timeout(connection, LONG_MS)
        for name in names:
            connection.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
    return names


_LEFT = text("""
SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
 WHERE NOT indisvalid AND relkind = 'i' AND relnamespace = 'public'::regnamespace
   AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS made
                    WHERE made.index_relid = indexrelid)
 ORDER BY 1
""")
