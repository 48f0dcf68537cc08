"""One member of a tar archive from a stranger, written below a folder and never outside of it.

The standard library's own filter came with Python 3.11.4; distributions ship older ones.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

_FILE_MODE = 0o755
_OWN_READ_WRITE = 0o600


class UnsafeMemberError(tarfile.TarError):
    """A member would touch something outside of its folder, or is nothing for a folder."""


def extract(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, strip: int = 0) -> None:
    """Write a member below `folder` without its first `strip` folders.

    Owners, set-id bits and write rights of others are not taken over. Raises UnsafeMemberError for a path
    or link that leaves the folder, and for what is neither file, folder nor link.
    """
    path = _path_of(member.name, folder, strip)
    if path is None:
        return
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.is_file():
        path.unlink()
    if member.isreg():
        _write(tar, member, path)
    elif member.issym():
        _check_inside(path.parent / member.linkname, folder, member.name)
        path.symlink_to(member.linkname)
    elif member.islnk():
        _link(member, path, folder, strip)
    else:
        raise UnsafeMemberError(f"{member.name} is neither a file, a folder nor a link")


def _path_of(name: str, folder: Path, strip: int) -> Path | None:
    """Return where a member goes; None when nothing of its name is left."""
    parts = [part for part in PurePosixPath(name.lstrip("/")).parts if part != "."][strip:]
    if not parts:
        return None
    path = folder.joinpath(*parts)
    if ".." in parts:
        raise UnsafeMemberError(f"{name} would be outside of the folder")
    _check_inside(path.parent, folder, name)
    return path


def _check_inside(path: Path, folder: Path, name: str) -> None:
    """Refuse a path that leaves the folder, also by links that were unpacked before it."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UnsafeMemberError(f"{name} would be outside of the folder")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise UnsafeMemberError(f"{member.name} has no content")
    with source, path.open("xb") as target:
        shutil.copyfileobj(source, target)
    path.chmod(member.mode & _FILE_MODE | _OWN_READ_WRITE)


def _link(member: tarfile.TarInfo, path: Path, folder: Path, strip: int) -> None:
    """Make a hard link to a member that was unpacked before."""
    target = _path_of(member.linkname, folder, strip)
    if target is None or not target.is_file() or target.is_symlink():
        raise UnsafeMemberError(f"{member.name} links to {member.linkname}, which is not there")
    os.link(target, path)
