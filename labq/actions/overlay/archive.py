"""Writes entries as tar.gz and as newc cpio, and appends the latter to a ramdisk.

newc: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.
"""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import stat
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import zstandard

from labq.actions.overlay.entries import Entry

_LEVEL = 1
_UBOOT_MAGIC = b"\x27\x05\x19\x56"


def write_tar(entries: Iterable[Entry], path: Path, moment: int) -> None:
    """Write a tar.gz whose members are relative to `/` and modified at `moment`."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=_LEVEL, mtime=moment) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for entry in entries:
            _add(tar, entry, moment)


def append_tar(entries: Iterable[Entry], path: Path) -> None:
    """Append members to a tar archive that is not compressed; raises tarfile.TarError for others."""
    with tarfile.open(path, mode="a", format=tarfile.GNU_FORMAT) as tar:
        for entry in entries:
            _add(tar, entry, int(path.stat().st_mtime))


def _add(tar: tarfile.TarFile, entry: Entry, moment: int) -> None:
    info = tarfile.TarInfo(entry.path.lstrip("/"))
    info.mode, info.mtime = entry.mode, moment
    if entry.link:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
        tar.addfile(info)
    elif entry.source is None:
        info.type = tarfile.DIRTYPE
        tar.addfile(info)
    else:
        info.size = entry.size
        with _content(entry) as content:
            tar.addfile(info, content)


def write_folder(entries: Iterable[Entry], root: Path = Path("/")) -> None:
    """Write the entries below `root` of the host, for a device or container that sees it."""
    for entry in entries:
        path = root / entry.path.lstrip("/")
        if entry.link:
            path.unlink(missing_ok=True)
            path.symlink_to(entry.link)
        elif entry.source is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            with _content(entry) as content, path.open("wb") as out:
                shutil.copyfileobj(content, out)
            path.chmod(entry.mode)


def write_cpio(entries: Iterable[Entry], out: IO[bytes], moment: int) -> None:
    """Write a newc archive with its trailer, a multiple of 4 bytes long."""
    for number, entry in enumerate(entries, start=1):
        name, size = entry.path.lstrip("/"), _cpio_size(entry)
        out.write(_header(name, _cpio_mode(entry), size, (number, moment)))
        if entry.link:
            out.write(entry.link.encode())
        elif entry.source is not None:
            with _content(entry) as content:
                shutil.copyfileobj(content, out)
        out.write(bytes(-size % 4))
    out.write(_header("TRAILER!!!", 0, 0, (0, 0)))


def _cpio_size(entry: Entry) -> int:
    return len(entry.link.encode()) if entry.link else entry.size


def _cpio_mode(entry: Entry) -> int:
    if entry.link:
        return stat.S_IFLNK | entry.mode
    return (stat.S_IFDIR if entry.source is None else stat.S_IFREG) | entry.mode


def _header(name: str, mode: int, size: int, identity: tuple[int, int]) -> bytes:
    """Return header and name, padded; `identity` is inode number and time."""
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = (identity[0], mode, 0, 0, links, identity[1], size, 0, 0, 0, 0, len(encoded), 0)
    head = b"070701" + b"".join(f"{field:08X}".encode() for field in fields) + encoded
    return head + bytes(-len(head) % 4)


def _content(entry: Entry) -> IO[bytes]:
    if isinstance(entry.source, Path):
        return entry.source.open("rb")
    return io.BytesIO(entry.source or b"")


def append_to_ramdisk(ramdisk: Path, archive: bytes) -> None:
    """Append a cpio archive to a ramdisk in the ramdisk's own compression.

    The kernel unpacks concatenated archives one after the other. A U-Boot header is dropped.
    """
    _drop_uboot_header(ramdisk)
    with ramdisk.open("r+b") as image:
        magic = image.read(6)
        size = image.seek(0, io.SEEK_END)
        image.write(_packed(archive, magic) or bytes(-size % 4) + archive)


def _packed(archive: bytes, magic: bytes) -> bytes:
    """Return the archive as a member of the ramdisk's kind, empty for one that is not compressed.

    A bare archive must begin at a multiple of 4 bytes.
    """
    if magic.startswith(b"\x1f\x8b"):
        return gzip.compress(archive, _LEVEL)
    if magic == b"\xfd7zXZ\0":
        return lzma.compress(archive, check=lzma.CHECK_CRC32, preset=_LEVEL)
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        return zstandard.ZstdCompressor(level=_LEVEL).compress(archive)
    return b""


def _drop_uboot_header(ramdisk: Path) -> None:
    with ramdisk.open("rb") as image:
        header = image.read(64)
        if not header.startswith(_UBOOT_MAGIC):
            return
        bare = ramdisk.with_name(f"{ramdisk.name}.bare")
        with bare.open("wb") as out:
            shutil.copyfileobj(image, out, 1024 * 1024)
    bare.replace(ramdisk)
