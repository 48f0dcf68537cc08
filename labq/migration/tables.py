"""Which tables are big: they are changed only in ways that stop nobody."""

from __future__ import annotations

import re

PARTITIONED = ("test_suite", "test_case", "run_log")
"""Those that have a partition for each month, named `test_case_2026_11`."""

BIG = (
    "archived_job",
    "archived_part",
    "artifact",
    "audit",
    "day_count",
    "delivery",
    "doomed_blob",
    "job",
    "job_definition",
    "job_label",
    "rejected_event",
    "reservation",
    "retention_tally",
    "run",
    "run_plan",
    "step",
    *PARTITIONED,
)
"""Those that grow with the number of jobs."""

ANY_PARTITION = "_yyyy_mm"
"""Stands for all partitions where no database tells which there are."""

_PARTITION = re.compile(r"_(?:\d{4}_\d{2}|yyyy_mm|default)\Z")


def is_big(table: str) -> bool:
    """Tell whether a table, or the one that it is a partition of, is big."""
    return _PARTITION.sub("", table) in BIG


def is_partitioned(table: str) -> bool:
    """Tell whether a table has partitions."""
    return table in PARTITIONED
