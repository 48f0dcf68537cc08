"""Tasks of the server's own worker that nobody asks for: they are carried out when they are sent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from labq import queue
from labq.services import partitions
from tests.integration.conductor_lab import Lab, eventually


@pytest.fixture
def worker(lab: Lab) -> Iterator[None]:
    """Run the server's own worker."""
    given = {
        "LABQ_DATABASE_URL": lab.settings.database_url,
        "LABQ_REDIS_URL": lab.settings.redis_url,
        "LABQ_STATE": str(lab.settings.state),
    }
    command = [sys.executable, "-c", "from labq.tasks.core_worker import main; main()"]
    started = subprocess.Popen(command, env={**os.environ, **given}, start_new_session=True)
    yield
    started.terminate()
    assert started.wait(30) is not None


@pytest.mark.usefixtures("worker")
def test_months_to_come_are_made_and_tables_are_measured(lab: Lab) -> None:
    with lab.engine.begin() as connection:
        for month in partitions.months(connection):
            connection.execute(text(f"DROP TABLE {month.name}"))
    queue.send("labq.partitions")
    queue.send("labq.sizes")
    wanted = _ahead(lab)
    assert wanted
    eventually(lambda: _present(lab) == wanted, "the months to come", 60)
    eventually(lambda: _samples(lab), "sizes of tables", 60)


def _ahead(lab: Lab) -> list[str]:
    """Return the names of the partitions that there should be, without making them."""
    with lab.engine.connect() as connection:
        return sorted(partitions.ensure_ahead(connection, datetime.now(UTC).date()))


def _present(lab: Lab) -> list[str]:
    with lab.engine.connect() as connection:
        return sorted(one.name for one in partitions.months(connection))


def _samples(lab: Lab) -> object:
    with lab.engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM relation_size"))
