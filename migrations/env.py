"""Runs the migrations on the connection that labq.services.schema hands over, each in a transaction.

Without a connection it writes them out as SQL.
"""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.dialects import postgresql

from labq.models import TABLES
from labq.models.base import Moment


def render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write labq's own column type as what it is in the database: migrations outlive the code."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    return False


context.configure(
    connection=context.config.attributes.get("connection"),
    dialect_name=postgresql.dialect.name,
    literal_binds=context.is_offline_mode(),
    target_metadata=TABLES[0].metadata,
    transaction_per_migration=True,
    compare_type=True,
    compare_server_default=True,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
