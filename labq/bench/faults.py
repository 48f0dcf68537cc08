"""What speaks against the board of a run: it does not go off, its console or power do not answer.

A fault that is there when the run closes takes the device out of use. What works again is no fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labq.domain.errors import InfrastructureError


class Faults:
    """The faults of one run by what they are of; a restarted bench knows them."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "faults.json"
        self._found = self._read()

    @property
    def reason(self) -> str:
        """Return why the board is to be taken out of use, empty when it is not."""
        return next(iter(self._found.values()), "")

    @contextmanager
    def watching(self, what: str) -> Iterator[None]:
        """Note an infrastructure error of what is done here as a fault, and its success as none."""
        try:
            yield
        except InfrastructureError as error:
            self.note(what, str(error))
            raise
        self.note(what, "")

    def note(self, what: str, fault: str) -> None:
        """Note a fault, or with an empty text that there is none."""
        others = {key: text for key, text in self._found.items() if key != what}
        self._set({**others, what: fault} if fault else others)

    def _set(self, found: dict[str, str]) -> None:
        if found == self._found:
            return
        self._found = found
        # Not synced: after a loss of power the clean-up is done again, and finds what is wrong.
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(found))
        temporary.replace(self._path)

    def _read(self) -> dict[str, str]:
        try:
            found = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return {str(key): str(text) for key, text in found.items()}
