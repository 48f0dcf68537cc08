"""The flash of the virtual fastboot board: partitions as files, slots, what `getvar` tells."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labq.hw.sparse import MAGIC, SparseError, write_out

SLOTTED = ("boot", "dtbo", "system", "vbmeta", "vendor", "vendor_boot")
PLAIN = ("cache", "ptable", "recovery", "rootfs", "super", "userdata")
_SPARSE = MAGIC.to_bytes(4, "little")


class RefusedError(Exception):
    """What the board answers with FAIL."""


@dataclass(slots=True)
class Flash:
    """Partitions below `folder`; with `has_slots` some of them exist twice, as `_a` and `_b`."""

    folder: Path
    partition_bytes: int
    has_slots: bool

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def slot(self) -> str:
        """Return the slot that is booted; it outlives a power cycle."""
        try:
            return self._slot_file.read_text()
        except FileNotFoundError:
            return "a"

    def write(self, partition: str, data: memoryview) -> None:
        """Write an image; one that begins as a sparse image does must be a whole one."""
        path = self._path(partition)
        if data[:4] != _SPARSE:
            self._write_plain(path, data)
            return
        path.touch()
        try:
            with path.open("r+b") as target:
                write_out(io.BytesIO(data), target, most_bytes=self.partition_bytes)
        except SparseError as error:
            raise RefusedError(f"invalid sparse image: {error}") from error

    def erase(self, partition: str) -> None:
        """Empty a partition."""
        self._path(partition).unlink(missing_ok=True)

    def set_active(self, slot: str) -> None:
        """Choose the slot that is booted."""
        if not self.has_slots or slot not in ("a", "b"):
            raise RefusedError(f"no such slot: {slot}")
        self._slot_file.write_text(slot)

    def boot_image(self) -> Path | None:
        """Return the partition that boots, None while nothing is in it."""
        path = self.folder / (f"boot_{self.slot}" if self.has_slots else "boot")
        return path if path.exists() else None

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yield what is known of slots and partitions."""
        if self.has_slots:
            yield from (("slot-count", "2"), ("current-slot", self.slot))
        for name in (*SLOTTED, *PLAIN):
            yield f"has-slot:{name}", "yes" if self.has_slots and name in SLOTTED else "no"
        for name in self._names():
            yield f"partition-size:{name}", f"{self.partition_bytes:#x}"
            yield f"partition-type:{name}", "raw"

    @property
    def _slot_file(self) -> Path:
        return self.folder.with_name("slot")

    def _write_plain(self, path: Path, data: memoryview) -> None:
        if len(data) > self.partition_bytes:
            raise RefusedError(f"image too large for partition {path.name}")
        path.write_bytes(data)

    def _path(self, partition: str) -> Path:
        # Alternatives of a partition table are written as `partition:0`.
        name = partition.partition(":")[0]
        if name not in self._names():
            raise RefusedError(f"no such partition: {partition}")
        return self.folder / partition.replace("/", "_")

    def _names(self) -> list[str]:
        if not self.has_slots:
            return [*SLOTTED, *PLAIN]
        return [*(f"{name}_{slot}" for name in SLOTTED for slot in "ab"), *PLAIN]
