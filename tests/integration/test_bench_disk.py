"""A disk that is full fails the job that fills it, and nothing of the host."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labq.bench.run_folder import HostFolder
from labq.benchlink.client import HoldLostError
from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType, LabqError
from labq.domain.events import HoldState
from labq.domain.verdicts import CaseResult, Verdict
from labq.hw.console import Console
from tests.integration.bench_lab import Lab, a_lab, a_plan, until

MANY_LINES = 40
MIB = 1024 * 1024
RESERVE = {"LABQ_HOST_RESERVE_BYTES": str(8 * MIB)}


def fill(folder: Path, size: int) -> None:
    """Put a file of a run into its folder."""
    with (folder / "image").open("wb") as out:
        out.write(os.urandom(size))
        out.flush()


def hear(stream: Console) -> None:
    """Have the device answer, and wait for it."""
    stream.send(b"hello\n")
    stream.read(Deadline.after(30))


def hear_more(stream: Console) -> bytes:
    """Return what the device says next."""
    chunk = stream.read(Deadline.after(30))
    assert chunk is not None
    return chunk.data


def judge(lab: Lab) -> None:
    """Check that the run that filled the disk failed, and that the other one goes on to its end."""
    ended = until(lambda: lab.of_kind(1, "ended"))[0]
    assert ended.failure.type is ErrorType.INFRASTRUCTURE
    assert "the disk of the host is full" in ended.failure.message
    assert str(lab.folder) in ended.failure.message
    assert "run 1 holds most" in ended.failure.message
    assert lab.bench.poll() is None


def test_the_run_that_takes_more_than_the_hosts_share_is_ended_and_others_go_on(
    tmp_path: Path, redis_url: str
) -> None:
    share = {"LABQ_HOST_BYTES": str(32 * MIB)}
    with a_lab(tmp_path, redis_url, **RESERVE, **share) as lab:
        lab.announce(a_plan(1))
        lab.announce(a_plan(2))
        boot, other = lab.step(1, 0), lab.step(2, 0)
        stream = boot.console()
        fill(boot.folder, 28 * MIB)
        with pytest.raises(HoldLostError, match="disk of the host is full"):
            stream.read(Deadline.after(30))
        boot.release()
        judge(lab)
        other.report(CaseResult(suite="s", case="one", verdict=Verdict.PASS))
        assert other.end() == 1
        other.release()
        until(lambda: not lab.reports[-1].notices, 10)
        test = lab.step(2, 1)
        assert test.end() == 2
        test.release()
        collect = lab.step(1, 2)
        assert collect.end() is None
        collect.release()


@contextmanager
def a_small_disk(folder: Path, size: int) -> Iterator[Path]:
    """Mount a file system of so many bytes, as only root can."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    subprocess.run(words, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts; the share is tested for all")
def test_a_disk_without_a_single_byte_left_ends_the_run_that_filled_it_and_no_other(
    tmp_path: Path, redis_url: str
) -> None:
    with (
        a_small_disk(tmp_path / "disk", 32 * MIB) as disk,
        a_lab(disk, redis_url, **RESERVE) as lab,
    ):
        lab.announce(a_plan(1))
        lab.announce(a_plan(2))
        boot, other = lab.step(1, 0), lab.step(2, 0)
        stream = boot.console()
        other.console().send(b"before\n")
        with pytest.raises(OSError, match="No space left"):
            fill(boot.folder, 64 * MIB)
        with pytest.raises(HoldLostError, match="disk of the host is full"):
            stream.read(Deadline.after(30))
        boot.release()
        judge(lab)
        assert other.end() == 1
        other.release()
        until(lambda: not lab.reports[-1].notices, 10)
        lab.announce(a_plan(3))
        third = lab.step(3, 0)
        assert third.end() == 1
        third.release()
        lab.kill_bench()
        lab.start_bench()
        until(lambda: [event.next for event in lab.of_kind(2, "ended")] == [1])
        until(lambda: [event.next for event in lab.of_kind(3, "ended")] == [1])


def test_a_test_whose_output_found_no_room_goes_back_to_its_boot(
    tmp_path: Path, redis_url: str
) -> None:
    with a_lab(tmp_path, redis_url) as lab:
        lab.announce(a_plan(1))
        boot = lab.step(1, 0)
        boot.console()
        assert boot.end() == 1
        boot.release()
        test = lab.step(1, 1)
        stream = test.console()
        _, most = resource.prlimit(lab.bench.pid, resource.RLIMIT_FSIZE, (0, -1))
        with pytest.raises(LabqError):
            hear(stream)
        test.release()
        until(lambda: lab.state(1) is HoldState.IDLE)
        resource.prlimit(lab.bench.pid, resource.RLIMIT_FSIZE, (most, most))
        until(lambda: lab.run_report(1).back == 0)
        assert lab.begin(1, 1) is None


def test_an_end_that_its_journal_has_no_room_for_is_not_told_either(
    tmp_path: Path, redis_url: str
) -> None:
    with a_lab(tmp_path, redis_url) as lab:
        lab.announce(a_plan(1))
        boot = lab.step(1, 0)
        stream = boot.console()
        heard = b""
        for _ in range(MANY_LINES):
            stream.send(b"hello\n")
        while heard.count(b"did hello\r\n") < MANY_LINES:
            heard += hear_more(stream)
        size = (lab.folder / "runs/1/journal").stat().st_size
        _, most = resource.prlimit(lab.bench.pid, resource.RLIMIT_FSIZE, (size, -1))
        with pytest.raises(LabqError):
            boot.end()
        resource.prlimit(lab.bench.pid, resource.RLIMIT_FSIZE, (most, most))
        assert boot.end() == 1
        boot.release()
        test = lab.step(1, 1)
        assert test.end() == 2
        test.release()
        until(lambda: [event.step for event in lab.of_kind(1, "ended")] == [0, 1])


def test_a_bench_that_begins_on_a_full_disk_sets_no_run_aside(
    tmp_path: Path, redis_url: str
) -> None:
    with a_lab(tmp_path, redis_url) as lab:
        lab.announce(a_plan(1))
        boot = lab.step(1, 0)
        lab.kill_bench()
        size = (lab.folder / "runs/1/journal").stat().st_size
        quota = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
        lab.start_bench(quota)
        lab.kill_bench()
        lab.start_bench()
        assert boot.end() == 1
        assert not (lab.folder / "unreadable").exists()


def test_what_an_order_left_that_could_not_be_followed_is_made_anew(tmp_path: Path) -> None:
    folder = HostFolder(tmp_path)
    left = folder.make(7, "{}", 1, 0)
    (left / "files" / "half").write_bytes(b"x")
    made = folder.make(7, "{}", 2, 0)
    assert made == left
    assert list((made / "files").iterdir()) == []
    assert [run for run, _ in folder.found()] == [7]
