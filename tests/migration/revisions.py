"""Revisions as tests and benchmarks write them, after those of labq, and upgrades to them."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config

from labq.migration import backfills
from labq.migration.backfills import Batches
from labq.services import schema
from labq.services.upgrading import Upgraded, Upgrading, Wishes

HEAD = str(schema.known())
REVISION = '''"""{doc}."""
import sqlalchemy as sa
from alembic import op
from labq.migration import steps

revision = "{number}"
down_revision = "{before}"
phase = "{phase}"
requires = {requires}


def upgrade() -> None:
{body}


def downgrade() -> None:
    pass
'''

# One of each step, of tables with and without partitions; what comes last takes some away again.
EXPAND = """
steps.create_table("scale", sa.Column("id", sa.Integer(), primary_key=True))
steps.add_column("test_case", sa.Column("weight", sa.Integer()))
steps.add_column("run", sa.Column("scale_id", sa.Integer()))
steps.add_foreign_key("fk_run_scale_id", "run", ["scale_id"], "scale (id)", ondelete="SET NULL")
steps.create_index("ix_test_case_weight", "test_case", "weight", "id", where="weight IS NOT NULL")
steps.create_index("ix_run_scale_id", "run", "scale_id DESC", include=["id"])
steps.add_check("ck_run_scale_positive", "run", "scale_id > 0")
steps.add_unique("uq_run_scale_id", "run", "scale_id", "id")
"""
CONTRACT = """
steps.set_not_null("test_case", "weight")
steps.drop_index("ix_run_scale_id")
steps.drop_index("ix_test_case_newest")
steps.drop_constraint("uq_run_scale_id", "run")
steps.drop_column("run", "scale_id")
steps.drop_table("scale")
op.execute("UPDATE compatibility SET oldest = '9003'")
"""


def write(
    folder: Path,
    number: str,
    body: str,
    *,
    before: str = HEAD,
    phase: str = "expand",
    requires: tuple[str, ...] = (),
) -> None:
    """Write a revision that comes after another one, by default the newest of labq's own."""
    text = REVISION.format(
        doc=f"Revision {number} of a test",
        number=number,
        before=before,
        phase=phase,
        requires=requires,
        body="\n".join(f"    {line}" for line in body.strip().splitlines()),
    )
    (folder / f"{number}.py").write_text(text)


def configured(folder: Path) -> Config:
    """Return Alembic's configuration for labq's revisions and those of a test."""
    config = schema.configuration()
    own = Path(str(config.get_main_option("script_location"))) / "versions"
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{own}\n{folder}".replace("%", "%%"))
    return config


def upgrade(url: str, folder: Path, batches: Batches, wishes: Wishes | None = None) -> Upgraded:
    """Upgrade to the revisions of a test, which have one back-fill, in this process."""
    backfills.BACKFILLS = (batches,)
    return Upgrading(url, configured(folder), wishes or Wishes(), _ignore).run()


def _ignore(_line: str) -> None:
    """Tell nobody."""
