"""How a worker answers a canary of its bench: a file a queue, with the newest number."""

from __future__ import annotations

from pathlib import Path

from labq.domain.plan import Queue

TASK = "labq.canary"


def answer(folder: Path, queue: Queue, number: int) -> None:
    """Tell the bench of this host folder that a canary was taken from the queue."""
    path = _path(folder, queue)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(f".{number}")
    draft.write_text(str(number))
    draft.replace(path)


def read_answer(folder: Path, queue: Queue) -> int | None:
    """Return the number of the last canary that was taken from the queue."""
    try:
        return int(_path(folder, queue).read_text())
    except (OSError, ValueError):
        return None


def _path(folder: Path, queue: Queue) -> Path:
    return folder / "canaries" / queue.value
