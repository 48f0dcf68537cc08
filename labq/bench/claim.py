"""One machine runs a host: a key in Redis names it, renewed while its bench lives."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from labq.bench.vital import vital_thread
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.names import claim_key
from labq.hw.boot import boot_id

LEASE_SECONDS = 6
RENEW_SECONDS = 2.0
POLL_SECONDS = 0.5
log = logging.getLogger(__name__)


class Claim:
    """The claim of this machine, in this start of it, on a host with this folder."""

    def __init__(self, url: str, host: str, folder: Path) -> None:
        self._client = redis.Redis.from_url(
            url,
            protocol=2,
            socket_timeout=5,
            socket_connect_timeout=2,
            retry=Retry(NoBackoff(), 1),
        )
        self._host = host
        self._instance = _instance(folder)

    def take(self, seconds: float) -> None:
        """Make the claim, waiting at most `seconds` for another one to end.

        Raises InfrastructureError that names the machine which runs the host, and redis.RedisError.
        """
        deadline = Deadline.after(seconds)
        while holder := self.renew():
            if deadline.is_over():
                raise InfrastructureError(
                    f"host {self._host} is run by another machine: {holder}. Stop it there, or make "
                    f"this machine a host of its own; a claim ends {LEASE_SECONDS} s after its machine"
                )
            time.sleep(POLL_SECONDS)

    def renew(self) -> str:
        """Claim the host for LEASE_SECONDS on; return who else has it, nothing when we do."""
        key, lease = claim_key(self._host), LEASE_SECONDS * 1000
        if self._client.set(key, self._value(), nx=True, px=lease):
            return ""
        found = cast("bytes | None", self._client.get(key))
        if _read(found).get("instance") == self._instance:
            self._client.pexpire(key, lease)
            return ""
        return _describe(found)

    def release(self) -> None:
        """End the claim if it is still ours; one that cannot be ended runs out."""
        key = claim_key(self._host)
        try:
            found = cast("bytes | None", self._client.get(key))
            if _read(found).get("instance") == self._instance:
                self._client.delete(key)
        except redis.RedisError as error:
            log.warning("the claim on host %s runs out by itself: %s", self._host, error)

    def _value(self) -> str:
        return json.dumps(
            {
                "instance": self._instance,
                "machine": socket.gethostname(),
                "pid": os.getpid(),
                "since": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )


class ClaimKeeper:
    """Renews a claim in a thread of its own, and calls `lost` when another machine has it."""

    def __init__(self, claim: Claim, lost: Callable[[], object]) -> None:
        self._claim = claim
        self._lost = lost
        self._is_over = threading.Event()
        self.is_lost = False
        self._thread = vital_thread("claim", self._run)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """End soon; the thread is not waited for."""
        self._is_over.set()

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                holder = self._claim.renew()
            except redis.RedisError as error:
                log.debug("the claim is not renewed: %s", error)
                holder = ""
            if holder:
                log.error("another machine took this host over: %s; all runs here end", holder)
                self.is_lost = True
                self._lost()
                return
            self._is_over.wait(RENEW_SECONDS)


def _instance(folder: Path) -> str:
    """Return what no other machine, and no other folder, has in common with this start of it."""
    place = folder.stat()
    text = f"{boot_id()} {place.st_dev} {place.st_ino}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(value: bytes | None) -> dict[str, object]:
    try:
        found = json.loads(value or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _describe(value: bytes | None) -> str:
    found = _read(value)
    return f"{found.get('machine')} (process {found.get('pid')}, since {found.get('since')})"
