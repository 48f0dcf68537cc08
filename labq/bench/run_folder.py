"""A run's folder on its host: made whole or not at all, set aside when it cannot be read.

`plan.json`, `journal`, `log` with `log.mark`, `remembered.json`, `emulator.json`, and `files/` for
what steps leave to each other, `artifacts/` for what goes to the server when the run is over. `tombstones/<run>` stays when the folder goes.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from labq.bench.disk import sync_folder, write_synced
from labq.bench.journal import Journal
from labq.benchlink.records import Kind

TOMBSTONE_DAYS = 7
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


class HostFolder:
    """The folder of one host."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs = path / "runs"
        self.tombstones = path / "tombstones"
        for folder in (path, self.runs, self.tombstones, path / "locks", path / "tftp"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def tftp_of(self, device: str) -> Path:
        """Return a device's TFTP folder, made if need be."""
        folder = self.path / "tftp" / _UNSAFE.sub("_", device)
        folder.mkdir(exist_ok=True, mode=0o755)
        return folder

    def make(self, run: int, plan: str, epoch: int, following: int) -> Path:
        """Make a run's folder with its plan and the first record of its journal, on disk."""
        draft = self.runs / f".new-{run}"
        shutil.rmtree(draft, ignore_errors=True)
        (draft / "files").mkdir(parents=True, mode=0o755)
        (draft / "artifacts").mkdir(mode=0o755)
        write_synced(draft / "plan.json", plan.encode())
        journal = Journal(draft / "journal")
        journal.append(Kind.EPOCH, json.dumps({"epoch": epoch, "next": following}).encode())
        journal.sync()
        journal.close()
        sync_folder(draft)
        folder = self.runs / str(run)
        if folder.exists():
            # Of an order that could not be followed, for want of room, after this had been made.
            shutil.rmtree(self.take_away(folder), ignore_errors=True)
        draft.rename(folder)
        sync_folder(self.runs)
        return folder

    def found(self) -> Iterator[tuple[int, Path]]:
        """Yield the runs' folders; what a killed bench left half made is removed."""
        for path in sorted(self.runs.iterdir()):
            if path.name.startswith("."):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.isdigit():
                yield int(path.name), path

    def set_aside(self, folder: Path) -> Path:
        """Move an unreadable folder away, and return where it is now."""
        aside = self.path / "unreadable"
        aside.mkdir(exist_ok=True, mode=0o700)
        to = aside / f"{folder.name}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        folder.rename(to)
        return to

    def bury(self, run: int, epoch: int, token: str) -> None:
        """Leave the tombstone of a run that ended, with the token of its last hold."""
        closed = datetime.now(UTC).isoformat()
        text = json.dumps({"run": run, "epoch": epoch, "token": token, "closed": closed})
        write_synced(self.tombstones / str(run), text.encode())

    def last_token(self, run: int) -> str:
        """Return the token of an ended run's last hold, empty for others."""
        try:
            return str(json.loads((self.tombstones / str(run)).read_bytes())["token"])
        except (OSError, ValueError, KeyError):
            return ""

    def is_buried(self, run: int) -> bool:
        """Tell whether the run has ended on this host."""
        return (self.tombstones / str(run)).exists()

    def take_away(self, folder: Path) -> Path:
        """Take a run's folder out of sight, and return what is to be deleted."""
        away = folder.with_name(f".gone-{folder.name}")
        shutil.rmtree(away, ignore_errors=True)
        folder.rename(away)
        return away

    def clear_tombstones(self) -> None:
        """Remove tombstones older than any message can be."""
        limit = (datetime.now(UTC) - timedelta(days=TOMBSTONE_DAYS)).timestamp()
        for path in self.tombstones.iterdir():
            if path.stat().st_mtime < limit:
                path.unlink(missing_ok=True)
