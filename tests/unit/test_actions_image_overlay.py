"""Overlays written into images: file systems, partitions, archives and ramdisks."""

from __future__ import annotations

import io
import struct
import subprocess
import tarfile
from pathlib import Path

import pytest

from labq.actions.overlay.entries import text
from labq.actions.parameters import Artifact
from labq.actions.steps.image_overlay import overlaid, wanted
from labq.actions.steps.partitions import offset_of
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.hw.fake import FakeSession
from tests.unit.plans import plan, step

TESTS = [text("/lava-7", ""), text("/lava-7-marker", "tests")]
FIRST = 1024 * 1024


def work(folder: Path) -> tuple[Work, FakeSession]:
    """Return the work of a step."""
    made = step("tmpfs", {})
    session = FakeSession(plan([made]), made, folder=folder)
    return Work(session, deadlines=[Deadline.after(60.0)], numbers=[1, 0]), session


def image(kind: str, **keys: object) -> Artifact:
    """Return an image that takes the tests, a file and an archive."""
    overlays = {
        "lava": True,
        "config": {"url": "http://x/conf", "format": "file", "path": "/etc/deep/conf"},
        "extra": {"url": "http://x/e.tar", "format": "tar", "path": "/opt/extra"},
    }
    block = {"url": "http://x/i", "format": kind, "overlays": overlays, **keys}
    return Artifact.model_validate(block)


def files(folder: Path) -> dict[str, Path]:
    """Return an archive as image, and what is written into it."""
    with tarfile.open(folder / "image.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("old"), io.BytesIO())
    (folder / "extra").mkdir()
    with tarfile.open(folder / "extra/e.tar", "w") as tar:
        member = tarfile.TarInfo("bin/tool")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"tool"))
    (folder / "conf").write_text("conf")
    return {
        "root": folder / "image.tar",
        "root/overlays/config": folder / "conf",
        "root/overlays/extra": folder / "extra/e.tar",
    }


def test_an_archive_gets_the_tests_files_and_archives_and_stays_as_it_was(tmp_path: Path) -> None:
    paths = files(tmp_path)
    made = overlaid(work(tmp_path)[0], ("root", image("tar")), paths, TESTS)
    with tarfile.open(made) as tar:
        names = tar.getnames()
        conf, tool = tar.extractfile("etc/deep/conf"), tar.extractfile("opt/extra/bin/tool")
        assert conf is not None
        assert tool is not None
        assert (conf.read(), tool.read()) == (b"conf", b"tool")
    assert names[0] == "old"
    assert "lava-7-marker" in names
    with tarfile.open(paths["root"]) as tar:
        assert tar.getnames() == ["old"]


def test_a_compressed_archive_is_refused_with_what_to_do(tmp_path: Path) -> None:
    paths = files(tmp_path)
    with tarfile.open(paths["root"], "w:gz"):
        pass
    with pytest.raises(JobError, match="needs its `compression`"):
        overlaid(work(tmp_path)[0], ("root", image("tar")), paths, TESTS)


def test_what_a_job_writes_into_an_image_is_fetched_beside_it(tmp_path: Path) -> None:
    found = wanted("root", image("ext4"), tmp_path)
    assert {label: one.target.name for label, one in found.items()} == {
        "root/overlays/config": "conf",
        "root/overlays/extra": "e.tar",
    }


def gpt(path: Path, *sectors: int) -> None:
    """Write a disk image whose entries begin at these sectors; 0 is an entry of no partition."""
    head = struct.pack("<8s64xQII", b"EFI PART", 2, len(sectors), 128)
    entries = b"".join(
        (b"t" * 16 if first else bytes(16)) + bytes(16) + struct.pack("<Q88x", first)
        for first in sectors
    )
    data = bytes(512) + head.ljust(512, b"\0") + entries
    path.write_bytes(data.ljust(4 * FIRST, b"\0"))


def test_partitions_are_counted_from_0_without_those_that_are_not_there(tmp_path: Path) -> None:
    disk = tmp_path / "disk.img"
    gpt(disk, 34, 0, 2048)
    assert [offset_of(disk, number) for number in (0, 1)] == [34 * 512, FIRST]
    with pytest.raises(JobError, match="has no partition 2, it has 2"):
        offset_of(disk, 2)
    entry = struct.pack("<4xB3xII", 0x83, 2048, 8)
    disk.write_bytes((bytes(446) + entry).ljust(510, b"\0") + b"\x55\xaa" + bytes(2 * FIRST))
    assert offset_of(disk, 0) == FIRST
    disk.write_bytes(bytes(1024))
    with pytest.raises(JobError, match="has no partition 0, it has 0"):
        offset_of(disk, 0)


def test_tests_go_into_the_file_system_of_the_partition(tmp_path: Path) -> None:
    disk, inner = tmp_path / "disk.img", tmp_path / "inner.img"
    gpt(disk, 2048)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", inner, "2m"], check=True)
    with disk.open("r+b") as out:
        out.seek(FIRST)
        out.write(inner.read_bytes())
    working, session = work(tmp_path)
    paths = {**files(tmp_path), "root": disk}
    overlaid(working, ("root", image("ext4", partition=0)), paths, TESTS)
    assert session.commands[0][-1] == f"{disk}?offset={FIRST}"
    subprocess.run(session.commands[0], check=True)
    for path, said in (("/lava-7-marker", b"tests"), ("/etc/deep/conf", b"conf")):
        argv = ["/sbin/debugfs", "-R", f"cat {path}", f"{disk}?offset={FIRST}"]
        assert subprocess.run(argv, check=True, capture_output=True).stdout == said
