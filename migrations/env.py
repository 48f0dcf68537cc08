"""Runs the migrations on the connection that labq.services.schema hands over, each in a transaction."""

from __future__ import annotations

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from labq.models import TABLES
from labq.models.base import Moment


def render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write labq's own column type as what it is in the database: migrations outlive the code."""
    if kind == "type" and isinstance(item, Moment):
        return "sa.DateTime(timezone=True)"
    return False


metadata = TABLES[0].metadata
connection: Connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transaction_per_migration=True,
    compare_type=True,
    compare_server_default=True,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
