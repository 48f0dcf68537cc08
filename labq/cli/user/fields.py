"""What is shown of an account."""

from __future__ import annotations

from labq.cli.output import Column, age

FIELDS = ("name", "email", "is_admin", "is_active", "has_password", "groups", "created_at")
COLUMNS = (
    Column("NAME", "name"),
    Column("E-MAIL", "email"),
    Column("ADMIN", "is_admin"),
    Column("ACTIVE", "is_active"),
    Column("GROUPS", "groups"),
    Column("CREATED", "created_at", age),
)
