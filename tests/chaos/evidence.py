"""Keeps what is needed to look into a campaign: the database's tables beside logs and journals."""

from __future__ import annotations

import contextlib

import psycopg2

from tests.chaos.ground import Ground

NAMES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"


def take(ground: Ground) -> None:
    """Copy the tables into the campaign's folder, while the database still runs."""
    folder = ground.folder / "tables"
    folder.mkdir()
    with (
        contextlib.closing(psycopg2.connect(ground.database_url)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(NAMES)
        for name in sorted(row[0] for row in cursor.fetchall()):
            with (folder / f"{name}.csv").open("w") as file:
                cursor.copy_expert(f'COPY (SELECT * FROM "{name}") TO STDOUT WITH CSV HEADER', file)
