"""Processes that outlive the bench: what they are, and the Protocol of whoever starts them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

LIFE = "LABQ_LIFE"
"""The variable that names the supervisor below which a process was started."""
PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "XDG_RUNTIME_DIR"),
    LIFE,
)


def plain_environment() -> dict[str, str]:
    """Return what a device's processes get: nothing of labq's settings and secrets."""
    found = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return {"PATH": os.defpath, **found, "TERM": "dumb"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A program to run in a session of its own. `io` is what its standard streams are."""

    argv: tuple[str, ...]
    cwd: Path
    io: Literal["pty", "socketpair", "none"]
    environment: Mapping[str, str] = field(default_factory=plain_environment)


class Spawner(Protocol):
    """Starts processes under a key and keeps them."""

    def spawn(self, key: str, process: Process) -> int | None:
        """Start a process and return the descriptor of its terminal (None for `io` none).

        Raises InfrastructureError when it cannot be started.
        """
