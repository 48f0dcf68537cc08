"""How far a dump or a restore is, on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from typing_extensions import override

from labq.cli.output import Progress, note
from labq.services.backup.watcher import Watcher


class Shown(Watcher):
    """A line for each phase, and within it a share where standard error is a terminal."""

    def __init__(self) -> None:
        self._progress = Progress()
        self._phase = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._progress.clear()

    @override
    def phase(self, text: str) -> None:
        self._progress.clear()
        self._phase = text
        note(text)

    @override
    def progress(self, done: int, total: int) -> None:
        share = done / total if total else 1.0
        self._progress.show(f"{self._phase}: {share:.0%}".replace("%", " %"))
