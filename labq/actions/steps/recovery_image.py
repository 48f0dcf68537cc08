"""Recovery images of Arm boards: archives whose content becomes what is on the board's disk."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from labq.actions.steps.unpack import unpack_tar
from labq.actions.steps.work import Work
from labq.config import load
from labq.domain.errors import JobError


def unpack_recovery(work: Work, archive: Path, compression: str | None) -> Path:
    """Return the folder with what is in the archive: a zip file, or a tar archive else.

    Raises JobError for archives that are broken, too large, or would leave the folder.
    """
    folder = archive.parent / "unpacked"
    limit = load().cache_bytes
    with work.action("extract-vexpress-recovery-image", case=True):
        shutil.rmtree(folder, ignore_errors=True)
        if compression == "zip":
            _unzip(archive, folder, limit)
        else:
            unpack_tar(archive, folder, limit=limit)
    return folder


def _unzip(archive: Path, folder: Path, limit: int) -> None:
    try:
        with zipfile.ZipFile(archive) as found:
            if sum(one.file_size for one in found.infolist()) > limit:
                raise JobError(f"{archive.name} unpacks to too much: over {limit} bytes")
            # Absolute names and `..` lose what leads out of the folder; links are plain files.
            found.extractall(folder)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise JobError(f"{archive.name} cannot be unpacked: {error}") from error
