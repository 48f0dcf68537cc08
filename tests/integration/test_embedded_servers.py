"""The private PostgreSQL and Redis, as the product starts them."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import redis

from labq.supervisor import postgres as postgres_server
from labq.supervisor.postgres import Postgres


def test_the_database_answers_and_keeps_utf8(postgres_url: str) -> None:
    connection = psycopg2.connect(postgres_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s || 'é'", ("ü",))
        assert cursor.fetchone() == ("üé",)
        cursor.execute("SHOW listen_addresses")
        assert cursor.fetchone() == ("",)
    connection.close()


def test_two_fresh_databases_share_nothing(postgres: Postgres, empty_database_url: str) -> None:
    connection = psycopg2.connect(empty_database_url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)
    connection.close()


def test_a_folder_with_data_is_taken_up_again(postgres: Postgres) -> None:
    again = postgres_server.prepare(postgres.folder)
    assert again.programs == postgres.programs
    assert again.is_ready()


def test_redis_asks_for_its_password_and_never_evicts(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        port = client.connection_pool.connection_kwargs["port"]
    with redis.Redis(port=port) as stranger:
        try:
            stranger.ping()
        except redis.AuthenticationError:
            return
    raise AssertionError("a client without the password was let in")


def test_what_a_killed_server_left_behind_is_not_taken_for_a_running_one(
    postgres: Postgres, tmp_path: Path
) -> None:
    left = Postgres(tmp_path, postgres.programs, postgres.account)
    (tmp_path / "postmaster.pid").write_text((postgres.folder / "postmaster.pid").read_text())
    assert postgres.is_ready()
    assert not left.is_ready()
