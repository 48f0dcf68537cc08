"""Copies files to a disk that a board shows on its USB port: mounted for that alone.

The mount point is never in a run's folder: what removes that must not reach a board's disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from labq.actions.steps import tool
from labq.actions.steps.work import Work
from labq.config import load
from labq.domain.errors import ConfigurationError, InfrastructureError

FAILED = "FAIL.TXT"
"""What boards with CMSIS-DAP write on their disk when flashing failed, with the reason in it."""


@contextmanager
def mounted(work: Work, disk: Path, name: str, *, kind: str = "") -> Iterator[Path]:
    """Mount the disk as the inner action `mount-<name>`, and unmount it as `unmount-<name>`.

    What a killed step left mounted is unmounted before.
    """
    point = load().bench_folder / "mounts" / work.session.plan.device
    with work.action(f"mount-{name}", case=True) as deadline:
        point.mkdir(parents=True, exist_ok=True)
        if point.is_mount():
            tool.must(work, ["umount", str(point)], deadline, error=InfrastructureError)
        options = ["-t", kind] if kind else []
        argv = ["mount", *options, str(disk), str(point)]
        tool.must(work, argv, deadline, error=InfrastructureError)
    is_done = False
    try:
        yield point
        is_done = True
    finally:
        if not is_done:
            with work.action(f"unmount-{name}") as deadline:
                tool.call(work, ["umount", str(point)], deadline)
    with work.action(f"unmount-{name}", case=True) as deadline:
        tool.must(work, ["sync", str(point)], deadline, error=InfrastructureError)
        tool.must(work, ["umount", str(point)], deadline, error=InfrastructureError)


def copy(work: Work, source: Path, target: Path) -> None:
    """Copy a file; InfrastructureError when the disk does not take it."""
    work.debug(f"copying {source.name} to {target}")
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        raise InfrastructureError(f"{source.name} cannot be copied to {target}: {error}") from error


def replace_all(work: Work, source: Path, disk: Path) -> None:
    """Remove what is on the disk and copy what is in the folder there."""
    work.debug(f"replacing what is on {disk} by {source.name}")
    try:
        for old in disk.iterdir():
            shutil.rmtree(old) if old.is_dir() and not old.is_symlink() else old.unlink()
        shutil.copytree(source, disk, dirs_exist_ok=True, copy_function=shutil.copyfile)
    except (OSError, shutil.Error) as error:
        raise InfrastructureError(f"{disk} cannot be written: {error}") from error


def write(target: Path, text: str) -> None:
    """Write a text into a file of the disk; InfrastructureError when the disk does not take it."""
    try:
        target.write_text(text)
    except OSError as error:
        raise InfrastructureError(f"{target} cannot be written: {error}") from error


def label_of(dictionary: Mapping[str, object]) -> str:
    """Return the label of the file system on the board's disk; ConfigurationError without one."""
    label = dictionary.get("usb_filesystem_label")
    if not isinstance(label, str) or not label or "/" in label:
        raise ConfigurationError("the device's usb_filesystem_label is not set in its dictionary")
    return label


def raise_failure(disk: Path) -> None:
    """Raise InfrastructureError when the board says on its disk that flashing failed."""
    said = disk / FAILED
    if said.exists():
        reason = said.read_text(errors="replace").strip()
        raise InfrastructureError(f"the board did not take the image, {FAILED} says: {reason}")
