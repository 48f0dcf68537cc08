"""Tell who remembers what a user may do when that changes; find the cases of a name in their order."""

from __future__ import annotations

from labq.migration import steps

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
phase = "expand"

# Table, and what changes of it change what somebody may do.
TOLD: tuple[tuple[str, str], ...] = (
    ("token", "DELETE OR UPDATE OF digest, user_id, expires_at"),
    ('"user"', "DELETE OR UPDATE OF name, is_admin, is_active"),
    ("membership", "INSERT OR DELETE OR UPDATE"),
)


def upgrade() -> None:
    """Make the triggers, whoever writes to the tables, and the index."""
    steps.run(
        "CREATE OR REPLACE FUNCTION tell_rights() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_notify(''labq_rights'', ''''); RETURN NULL; END'"
    )
    for table, changes in TOLD:
        steps.run(
            f"CREATE OR REPLACE TRIGGER tell_rights AFTER {changes} ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION tell_rights()",
            table=table.strip('"'),
        )
    steps.create_index("ix_test_case_newest", "test_case", "name", "submitted_on", "id")
    steps.drop_index("ix_test_case_name")


def downgrade() -> None:
    """Take them away."""
    steps.create_index("ix_test_case_name", "test_case", "name", "submitted_on")
    steps.drop_index("ix_test_case_newest")
    for table, _ in TOLD:
        steps.run(f"DROP TRIGGER IF EXISTS tell_rights ON {table}", table=table.strip('"'))
    steps.run("DROP FUNCTION IF EXISTS tell_rights()")
