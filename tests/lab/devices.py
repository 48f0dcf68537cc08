"""Jobs for the `shell` device: a local sh in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.lab.jobs import Block, boot, definition, interactive

PROMPT = r"labq-shell:\$ "


def shell_boot(**keys: Any) -> Block:
    """Return the boot block that reaches the shell."""
    return boot("minimal", prompts=[PROMPT], **keys)


def shell_job(*script: Mapping[str, object], timeout_seconds: int = 60, **keys: Any) -> str:
    """Return a job that types commands into a shell."""
    test = interactive(*script, prompts=[PROMPT], timeout={"seconds": timeout_seconds})
    return definition("shell", shell_boot(), test, **keys)


def overlay_job(*tests: Block, **keys: Any) -> str:
    """Return a job whose tests are Lava-Test definitions."""
    return definition("shell", shell_boot(), *tests, **keys)
