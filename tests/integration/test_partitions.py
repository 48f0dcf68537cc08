"""Partitions are made by whoever needs them, and a month is dropped without anybody waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import Connection, Engine, text

from labq.domain.errors import ConflictError, NotFoundError
from labq.models.partition import PARTITIONED, day_of, is_partition, of_month
from labq.services import partitions
from labq.services.database import Role, make_engine
from tests.integration.conductor_lab import NOW, eventually

OLD = date(2019, 12, 24)
INSERT = text("INSERT INTO run_log (run_id, bytes, lines, submitted_on) VALUES (:run, 1, 1, :day)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = make_engine(database_url, Role.CORE)
    yield made
    made.dispose()


def test_all_months_between_two_days_are_made_once(engine: Engine) -> None:
    with engine.begin() as connection:
        made = partitions.ensure(connection, OLD, date(2020, 1, 1))
        assert partitions.ensure(connection, OLD, date(2020, 1, 31)) == []
        found = [one.name for one in partitions.months(connection)][:6]
    assert sorted(found) == sorted(made)
    assert set(made) == {
        of_month(table, day) for table in PARTITIONED for day in (OLD, date(2020, 1, 1))
    }
    assert all(is_partition(name) for name in made)


def test_those_who_make_the_same_month_together_make_it_once(engine: Engine) -> None:
    made: list[str] = []

    def make() -> None:
        with engine.begin() as connection:
            made.extend(partitions.ensure(connection, OLD, OLD))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == sorted(of_month(table, OLD) for table in PARTITIONED)


def test_making_a_month_waits_for_nobody_who_writes(engine: Engine) -> None:
    with engine.begin() as writer:
        writer.execute(INSERT, {"run": 1, "day": day_of(NOW)})
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '100ms'"))
            assert partitions.ensure(connection, OLD, OLD)


def test_months_ahead_end_in_the_next_year(engine: Engine) -> None:
    with engine.begin() as connection:
        made = partitions.ensure_ahead(connection, date(2021, 11, 30))
    months = ("2021_11", "2021_12", "2022_01")
    assert set(made) == {f"{table}_{month}" for table in PARTITIONED for month in months}


def test_a_dropped_month_is_gone_and_others_stay(engine: Engine) -> None:
    _write_two_months(engine)
    with engine.connect() as connection:
        partitions.drop_month(connection, "run_log", OLD)
        partitions.drop_month(connection, "test_suite", OLD)
    with engine.connect() as connection:
        assert _runs(connection) == [2]
        names = [one.name for one in partitions.months(connection)]
        assert of_month("run_log", OLD) not in names
        assert of_month("test_case", OLD) in names
        connection.rollback()
        with pytest.raises(NotFoundError):
            partitions.drop_month(connection, "run_log", OLD)
        with pytest.raises(NotFoundError):
            partitions.drop_month(connection, "job", OLD)


def test_a_drop_lets_those_who_read_read_on(engine: Engine) -> None:
    """Who began before it ends with what was there; who comes while it waits is not kept waiting."""
    _write_two_months(engine)
    with engine.begin() as reader:
        assert _runs(reader) == [1, 2]
        dropping = threading.Thread(target=_drop, args=(engine,))
        dropping.start()
        with engine.connect() as watcher:
            eventually(lambda: _is_detaching(watcher), "the drop waits for the reader")
        with engine.begin() as other:
            other.execute(text("SET LOCAL lock_timeout = '100ms'"))
            assert 2 in _runs(other)
            other.execute(INSERT, {"run": 3, "day": day_of(NOW)})
        assert dropping.is_alive()
    dropping.join(20)
    with engine.connect() as connection:
        assert _runs(connection) == [2, 3]


def test_a_drop_that_was_interrupted_goes_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_two_months(engine)
    monkeypatch.setattr(partitions, "ATTEMPTS", 1)
    with engine.begin() as reader:
        assert _runs(reader) == [1, 2]
        with engine.connect() as connection, pytest.raises(ConflictError, match="read all the"):
            partitions.drop_month(connection, "run_log", OLD)
        with engine.connect() as connection:
            assert _is_detaching(connection)
    with engine.connect() as connection:
        partitions.drop_month(connection, "run_log", OLD)
    with engine.connect() as connection:
        assert _runs(connection) == [2]


def _write_two_months(engine: Engine) -> None:
    with engine.begin() as connection:
        partitions.ensure(connection, OLD, OLD)
        partitions.ensure(connection, day_of(NOW), day_of(NOW))
        connection.execute(INSERT, [{"run": 1, "day": OLD}, {"run": 2, "day": day_of(NOW)}])


def _drop(engine: Engine) -> None:
    with engine.connect() as connection:
        partitions.drop_month(connection, "run_log", OLD)


def _runs(connection: Connection) -> list[int]:
    return list(connection.scalars(text("SELECT run_id FROM run_log ORDER BY 1")))


def _is_detaching(connection: Connection) -> bool:
    found = connection.scalar(text("SELECT count(*) FROM pg_inherits WHERE inhdetachpending"))
    connection.rollback()
    return bool(found)
