"""The scripts that fetch programs and build images: what they refuse, and that bytes repeat."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "labq"


@pytest.fixture(scope="module")
def images() -> ModuleType:
    """Return the script deploy/images as a module."""
    return _module("images")


@pytest.fixture(scope="module")
def system_programs() -> ModuleType:
    """Return the script deploy/system-programs as a module."""
    return _module("system-programs")


def _module(script: str) -> ModuleType:
    loader = SourceFileLoader(f"deploy_{script}", str(DEPLOY / script))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


def _run(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEPLOY / script, *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_fetching_again_fetches_nothing() -> None:
    done = _run("system-programs", "--json")
    assert done.returncode == 0, done.stderr
    assert "download" not in done.stderr
    found = json.loads(done.stdout)["programs"]
    assert os.access(found["redis-server"], os.X_OK)
    assert os.access(found["qemu-system-aarch64"], os.X_OK)


def test_a_group_that_is_not_there_is_a_usage_error() -> None:
    done = _run("system-programs", "cows")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("no such group: cows")


def test_a_system_without_apt_gets_one_clear_error(tmp_path: Path) -> None:
    done = _run("system-programs", "images", PATH=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "apt-get not found: this script knows Debian and Ubuntu" in done.stderr


def test_a_program_that_does_not_run_is_not_kept(
    system_programs: ModuleType, tmp_path: Path
) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho libcow.so is missing >&2\nexit 127\n")
    program.chmod(0o755)
    with pytest.raises(system_programs.StopError, match=r"broken does not run: libcow\.so is"):
        system_programs.prove(program)
    assert not program.exists()


def test_images_without_packages_name_the_command_to_run(tmp_path: Path) -> None:
    done = _run("images", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 1
    assert "run `deploy/system-programs images` first" in done.stderr


def test_the_same_packages_give_the_same_images(tmp_path: Path) -> None:
    (tmp_path / "labq").mkdir()
    (tmp_path / "labq" / "system").symlink_to(CACHE / "system")
    done = _run("images", "--json", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    first = json.loads((CACHE / "images" / "images.json").read_text())
    assert json.loads(done.stdout)["files"] == first["files"]


def test_a_damaged_image_is_built_again(tmp_path: Path) -> None:
    (tmp_path / "labq").mkdir()
    (tmp_path / "labq" / "system").symlink_to(CACHE / "system")
    shutil.copytree(CACHE / "images", tmp_path / "labq" / "images")
    image = tmp_path / "labq" / "images" / "uml" / "rootfs.cpio.gz"
    image.write_bytes(image.read_bytes()[:1000])
    done = _run("images", XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert image.read_bytes() == (CACHE / "images" / "uml" / "rootfs.cpio.gz").read_bytes()


def test_a_root_file_system_has_a_console_and_a_first_process() -> None:
    entries = dict(_entries((CACHE / "images" / "uml" / "rootfs.cpio").read_bytes()))
    assert stat.S_ISCHR(entries["dev/console"])
    assert entries["init"] == stat.S_IFREG | 0o755
    assert stat.S_ISLNK(entries["bin/sh"])
    assert list(entries)[-1] == "TRAILER!!!"


def _entries(archive: bytes) -> Iterator[tuple[str, int]]:
    """Yield name and mode of each entry of a cpio archive of the form newc."""
    at = 0
    while at < len(archive) and archive[at : at + 6] == b"070701":
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        at = (at + 110 + name_size + 3) // 4 * 4
        at = (at + size + 3) // 4 * 4
        yield name, mode


def test_the_kernel_for_direct_boot_is_an_elf_file_with_its_pvh_note() -> None:
    kernel = (CACHE / "images" / "x86_64" / "vmlinux").read_bytes()
    assert kernel[:4] == b"\x7fELF"
    note = b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0"  # XEN_ELFNOTE_PHYS32_ENTRY
    assert note in kernel or note.replace(b"\x08", b"\x04", 1) in kernel


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"\x30abc", b"abc"),
        (b"\x32abc\x03\x00\x10d", b"abcabcabcd"),
        (b"\x1fa\x01\x00\x05\x10b", b"a" * 25 + b"b"),
        (b"\xf0\x02" + b"x" * 17, b"x" * 17),
    ],
    ids=["literals", "a match", "an overlapping match", "a long run"],
)
def test_lz4_blocks_are_decoded(images: ModuleType, block: bytes, expected: bytes) -> None:
    frame = b"\x02\x21\x4c\x18" + len(block).to_bytes(4, "little") + block
    assert images.decompress(frame) == expected


def test_kernels_in_an_efi_zboot_file_are_unpacked(images: ModuleType) -> None:
    kernel = bytes(0x38) + b"ARM\x64" + bytes(100)
    payload = lzma.compress(kernel)
    head = b"MZ\0\0zimg" + (64).to_bytes(4, "little") + len(payload).to_bytes(4, "little")
    assert images.plain_arm_image(head.ljust(64, b"\0") + payload) == kernel


def test_an_unknown_compression_is_named(images: ModuleType) -> None:
    with pytest.raises(images.StopError, match="compressed in an unknown way: 636f77"):
        images.decompress(b"cow" * 10)
