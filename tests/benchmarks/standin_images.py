"""Ramdisks, boot loader images and device trees that stand in for those of real boards."""

from __future__ import annotations

import gzip
import importlib.util
import re
import stat
import struct
import subprocess
import sys
import zlib
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from labq.supervisor.programs import cache_folder
from tests.lab import boards

KERNEL, RAMDISK = 2, 3
MAGIC, LINUX, ARM64 = 0x27051956, 5, 22
LOAD_ADDRESS = 0x40400000
PROJECT = Path(__file__).parents[2]
SHELL = """\
/etc/network >/run/network.log 2>&1
cd /
while :; do setsid -c sh </dev/console >/dev/console 2>&1; done
"""
# The prompt of busybox in the root folder, when nobody sets another.
PLAIN_PROMPT = "/ # "


@cache
def _builder() -> ModuleType:
    """Return the project's image builder: it knows the init script and the archive format."""
    loader = SourceFileLoader("labq_images", str(PROJECT / "deploy" / "images"))
    spec = importlib.util.spec_from_loader("labq_images", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    loader.exec_module(module)
    return module


def ramdisk(board: str, hostname: str = "labq", *, shell: str = "") -> bytes:
    """Return a board's root file system with another name; `shell`: the prompt without a login."""
    init = _builder().INIT.replace("hostname labq", f"hostname {hostname}")
    if shell:
        before = re.split(r"/etc/network ", init, maxsplit=1)[0]
        prompt = "" if shell == PLAIN_PROMPT else f"export PS1='{shell}'\n"
        init = before + prompt + SHELL
    change = _builder().Archive()
    change.add("init", stat.S_IFREG | 0o755, init.encode())
    profile = _builder().PROFILE.replace("@labq", f"@{hostname}")
    change.add("etc/profile", stat.S_IFREG | 0o644, profile.encode())
    plain = boards.image(f"{board}/rootfs.cpio").read_bytes()
    return gzip.compress(plain + change.close(), 6, mtime=0)


def with_header(data: bytes, kind: int) -> bytes:
    """Return data as a legacy image of U-Boot (include/image.h there: 64 bytes, big endian)."""

    def header(checksum: int) -> bytes:
        place = LOAD_ADDRESS if kind == KERNEL else 0
        facts = (MAGIC, checksum, 0, len(data), place, place, zlib.crc32(data))
        return struct.pack(">7I4B32s", *facts, LINUX, ARM64, kind, 0, b"stand-in")

    return header(zlib.crc32(header(0))) + data


def device_tree(folder: Path) -> bytes:
    """Return the device tree of the emulated arm64 board, as it is with U-Boot in its flash."""
    path = folder / "virt.dtb"
    if not path.exists():
        board = ("-nodefaults", "-cpu", "cortex-a57", "-m", "512", "-display", "none")
        firmware = ("-bios", str(boards.image("arm64/u-boot.bin")))
        subprocess.run(
            (emulator("aarch64"), "-machine", f"virt,dumpdtb={path}", *board, *firmware),
            check=True,
            timeout=60,
            capture_output=True,
        )
    return path.read_bytes()


def emulator(arch: str) -> str:
    """Return the emulator of this machine or of the cache."""
    own = cache_folder() / "system" / "bin" / f"qemu-system-{arch}"
    return str(own) if own.exists() else f"qemu-system-{arch}"
