"""Faults of Redis beside signals: its clients thrown out, its data gone."""

from __future__ import annotations

import os
import signal

import redis
from typing_extensions import override

from tests.chaos.faults.fault import Done, Fault, Kind, Target
from tests.chaos.ground import Ground


class ClientsKilled(Kind):
    """CLIENT KILL of everybody."""

    name = "client kill"
    weight = 6
    targets = (Target("", "redis clients"),)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        try:
            with redis.Redis.from_url(ground.redis_url, socket_timeout=2) as client:
                count = client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        except redis.RedisError:
            return None
        return Done(f"{count} clients")


class Emptied(Kind):
    """kill -9 of Redis, which comes back without its data."""

    name = "empty"
    weight = 5
    targets = (Target("", "redis data"),)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        pid = ground.server_part("redis")
        if pid is None:
            return None
        os.kill(pid, signal.SIGSTOP)
        for path in ground.redis_folder.rglob("*"):
            if path.suffix in (".aof", ".rdb", ".manifest"):
                path.unlink()
        os.kill(pid, signal.SIGKILL)
        return Done(f"process {pid}")


class Torn(Kind):
    """kill -9 of Redis, which comes back without the end of its data."""

    name = "tear"
    weight = 4
    targets = (Target("", "redis data"),)

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        pid = ground.server_part("redis")
        if pid is None:
            return None
        os.kill(pid, signal.SIGSTOP)
        files = [path for path in ground.redis_folder.rglob("*.incr.aof") if path.stat().st_size]
        lost = 0
        for path in files:
            lost = min(path.stat().st_size, 20_000 + fault.number % 7)
            os.truncate(path, path.stat().st_size - lost)
        os.kill(pid, signal.SIGKILL)
        return Done(f"process {pid}, {lost} bytes")
