"""Programs that labq starts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from labq import config
from labq.cli.checks.finding import Finding, State
from labq.domain.errors import ConfigurationError
from labq.supervisor.programs import cache_folder, find_postgres, find_redis

OPTIONAL_PROGRAMS = (
    ("qemu-system-x86_64", "virtual x86 devices", "deploy/system-programs qemu-x86"),
    ("qemu-system-aarch64", "virtual arm64 devices and U-Boot", "deploy/system-programs qemu-arm"),
    ("linux.uml", "user-mode Linux devices", "deploy/system-programs uml"),
    ("fastboot", "deploys and boots by fastboot", "deploy/system-programs fastboot"),
    ("git", "test definitions from git", "deploy/system-programs git"),
)


def servers() -> Iterator[Finding]:
    """Look for PostgreSQL and Redis, here or named by the settings."""
    yield _server("PostgreSQL", find_postgres)
    redis = _server("Redis", find_redis)
    yield redis
    yield from _encryption(redis.found)


def programs() -> Iterator[Finding]:
    """Look for the programs that some kinds of devices and tests need."""
    cache = cache_folder() / "system" / "bin"
    for name, purpose, command in OPTIONAL_PROGRAMS:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{cache}")
        if found:
            yield Finding(name, State.GOOD, found)
        else:
            yield Finding(name, State.WEAK, f"not found: no {purpose}", f"run `{command}`")


def _encryption(server: str) -> Iterator[Finding]:
    """See whether the Redis of this machine was built with TLS, which hosts elsewhere need."""
    if not Path(server).is_file():
        return
    words = [server, "--port", "0", "--tls-port", "1", "--dir", "/nonexistent"]
    said = subprocess.run(
        words, capture_output=True, text=True, errors="replace", check=False, timeout=10
    )
    if "tls-port" in said.stdout + said.stderr:
        advice = "hosts on other machines need it: install the package redis-server"
        yield Finding("Redis with TLS", State.WEAK, "built without TLS", advice)
    else:
        yield Finding("Redis with TLS", State.GOOD, "built with TLS")


def _server(name: str, find: Callable[[], Path]) -> Finding:
    try:
        return Finding(name, State.GOOD, str(find()))
    except ConfigurationError as error:
        settings = config.load()
        url = settings.database_url if name == "PostgreSQL" else settings.redis_url
        if url:
            return Finding(name, State.GOOD, "not on this machine; the settings name another one")
        return Finding(name, State.MISSING, "not found", str(error))
