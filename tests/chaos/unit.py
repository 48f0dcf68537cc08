"""Processes that the campaign keeps running, as the machine's service manager would."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from labq.domain.deadline import monotonic

RESTART_SECONDS = 0.5


class Unit:
    """One process with its command; it is started again a moment after its end."""

    def __init__(
        self, name: str, argv: tuple[str, ...], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.pids: list[int] = []
        self._argv = argv
        self._environment = dict(environment)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._due: float | None = None

    def start(self) -> None:
        """Start it now."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.pids.append(self._process.pid)
        self._due = None

    @property
    def pid(self) -> int | None:
        """Return the process id, None while it is down."""
        if self._process is None or self._process.poll() is not None:
            return None
        return self._process.pid

    def keep(self) -> None:
        """Start it again when its time has come; to be called often."""
        if self.pid is not None or self._process is None:
            return
        if self._due is None:
            self._due = monotonic() + RESTART_SECONDS
        elif monotonic() >= self._due:
            self.start()

    def hold_down(self, seconds: float) -> None:
        """Start it again no sooner than in so many seconds."""
        self._due = monotonic() + seconds

    def stop(self, number: signal.Signals, seconds: float) -> bool:
        """End it and keep it ended; return whether it ended by itself in time."""
        process, self._process = self._process, None
        if process is None:
            return True
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return False
        return True
