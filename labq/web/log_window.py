"""The piece of a job's log that one page shows: bounded in lines and in characters."""

from __future__ import annotations

from dataclasses import dataclass

from labq.blobs import Logs
from labq.services.job_log import LogState
from labq.web.rendering import LogLine, log_lines

MOST_LINES = 250
MOST_CHARACTERS = 48_000
LINES_BEFORE = 30


@dataclass(frozen=True, slots=True)
class LogWindow:
    """Lines of a log; `earlier` and `later` are lines to ask for, None at either end.

    `offset` is where in the stored bytes a follower goes on; it is right for the last piece only.
    """

    lines: tuple[LogLine, ...]
    total: int
    earlier: int | None
    later: int | None
    offset: int

    @property
    def is_last(self) -> bool:
        """Return whether the log ends with this piece."""
        return self.later is None


def window(logs: Logs, state: LogState, line: int | None) -> LogWindow:
    """Return the piece around `line`, or the end of the log."""
    total = state.stored_lines
    first = _first(total, line)
    lines = _read(logs, state, first)
    kept = _bounded(lines, at_end=line is None)
    begin = kept[0].number if kept else 0
    end = kept[-1].number + 1 if kept else 0
    return LogWindow(
        lines=tuple(kept),
        total=total,
        earlier=max(0, begin - MOST_LINES + LINES_BEFORE) if begin else None,
        later=end + LINES_BEFORE if end < total else None,
        offset=state.stored_bytes,
    )


def _first(total: int, line: int | None) -> int:
    if line is None:
        return max(0, total - MOST_LINES)
    return max(0, min(line, total) - LINES_BEFORE)


def _read(logs: Logs, state: LogState, first: int) -> list[LogLine]:
    if state.run_id is None:
        return []
    raw = logs.read_lines(state.run_id, first, MOST_LINES, state.stored_bytes)
    return list(log_lines(raw, first))


def _bounded(lines: list[LogLine], *, at_end: bool) -> list[LogLine]:
    """Return the lines from the begin (or the end) that fit into a page; always one."""
    size, kept = 0, 0
    for line in reversed(lines) if at_end else lines:
        size += len(line.text)
        if kept and size > MOST_CHARACTERS:
            break
        kept += 1
    return lines[len(lines) - kept :] if at_end else lines[:kept]
