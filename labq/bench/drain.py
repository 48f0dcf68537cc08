"""Draining a host at once: its runs end, its devices are off, nothing begins until it is undrained.

It outlives a restart of the bench, but not of the machine: after a power cut the host works again.
"""

from __future__ import annotations

import json
import logging

from labq.bench import endings
from labq.bench.disk import write_synced
from labq.bench.endings import Floor
from labq.domain.errors import ErrorType, Failure
from labq.hw.boot import boot_id

SHUT = "drained"

log = logging.getLogger(__name__)


class Drain:
    """Of one host folder; `reason` is empty while the host works."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._path = floor.host.folder.path / "drained.json"
        self.reason = self._read()
        if self.reason:
            floor.shut.add(SHUT)

    async def begin(self, reason: str) -> int:
        """End all runs and power off, journals synced; return how many runs that were."""
        self.reason = reason
        self._floor.shut.add(SHUT)
        self._note({"boot": boot_id(), "reason": reason})
        log.warning("the host is drained: %s", reason)
        text = f"the host is drained: {reason}"
        return await endings.stop_all(
            self._floor, Failure(type=ErrorType.INFRASTRUCTURE, message=text)
        )

    async def follow(self, reason: str) -> None:
        """Begin because the server asks for it."""
        await self.begin(reason)

    def end(self) -> None:
        """Let the host work again."""
        self.reason = ""
        self._floor.shut.discard(SHUT)
        self._path.unlink(missing_ok=True)
        self._floor.pump()

    def _note(self, item: dict[str, str]) -> None:
        try:
            write_synced(self._path, json.dumps(item).encode())
        except OSError as error:
            # The runs end all the same.
            log.error("%s cannot be written: %s", self._path, error)  # noqa: TRY400 - a full disk

    def _read(self) -> str:
        try:
            item = json.loads(self._path.read_bytes())
            return str(item["reason"]) if item["boot"] == boot_id() else ""
        except (OSError, ValueError, LookupError, TypeError):
            return ""
