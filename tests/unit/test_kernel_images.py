"""Kernels for boot loaders, answers for installers: what is made of what a job brings."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest

from labq.actions.steps.kernel_image import prepare_kernel
from labq.actions.steps.preseed import prepared, with_late_command
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError
from labq.hw.fake import FakeSession
from labq.hw.session import Finished
from tests.unit.plans import plan, step


def _work(
    loader: str, options: Mapping[str, object], **parameters: object
) -> tuple[Work, FakeSession]:
    made = step("tftp", {})
    dictionary = {
        "actions": {"deploy": {"parameters": options}, "boot": {"methods": {loader: {}}}},
        "parameters": parameters,
    }
    session = FakeSession(plan([made], dictionary), made)
    return Work(session), session


def _files(folder: Path) -> dict[str, Path]:
    paths = {"kernel": folder / "kernel" / "zImage", "dtb": folder / "dtb" / "board.dtb"}
    for label, path in paths.items():
        path.parent.mkdir()
        path.write_bytes(label.encode())
    return paths


def _prepare(
    work: tuple[Work, FakeSession], paths: Mapping[str, Path], kind: str
) -> dict[str, Path]:
    with work[0].block("tftp-deploy"):
        return prepare_kernel(work[0], paths, kind)


@pytest.mark.parametrize(
    ("options", "parameters", "load", "entry"),
    [
        ({"mkimage_arch": "arm"}, {}, 0x8000, 0x8000),
        ({"mkimage_arch": "arm", "use_xip": True}, {}, 0x8000, 0x8040),
        ({"mkimage_arch": "arm"}, {"text_offset": "0x9000"}, 0x9000, 0x9000),
    ],
)
def test_a_board_without_bootz_gets_a_zimage_as_uimage(
    tmp_path: Path,
    options: Mapping[str, object],
    parameters: Mapping[str, object],
    load: int,
    entry: int,
) -> None:
    work = _work("u-boot", options, bootm={"kernel": "0x8000"}, **parameters)
    made = _prepare(work, _files(tmp_path), "zimage")["kernel"]
    content = made.read_bytes()
    (magic, _, _, size, *places), kind = struct.unpack(">7I", content[:28]), content[28:32]
    assert (made.name, magic, size, content[64:]) == ("uImage", 0x27051956, 6, b"kernel")
    assert (places, kind) == ([load, entry, zlib.crc32(b"kernel")], bytes([5, 2, 2, 0]))


def test_a_kernel_that_fits_the_board_stays_as_it_is(tmp_path: Path) -> None:
    paths = _files(tmp_path)
    board = {"bootz": {"kernel": "0x1"}, "bootm": {"kernel": "0x1"}}
    assert _prepare(_work("u-boot", {}, **board), paths, "zimage") == {"kernel": paths["kernel"]}
    assert _prepare(_work("u-boot", {}, **board), paths, "uimage") == {"kernel": paths["kernel"]}
    assert _prepare(_work("grub", {}), paths, "zimage") == {}


def test_the_device_tree_is_put_behind_the_kernel_where_the_board_wants_it(tmp_path: Path) -> None:
    paths = _files(tmp_path)
    work = _work("u-boot", {"append_dtb": True}, bootz={"kernel": "0x1"})
    assert _prepare(work, paths, "zimage")["kernel"].read_bytes() == b"kerneldtb"
    with pytest.raises(JobError, match="the job needs a dtb"):
        _prepare(work, {"kernel": paths["kernel"]}, "zimage")


def test_addresses_and_architectures_that_make_no_sense_are_the_labs_errors(tmp_path: Path) -> None:
    paths = _files(tmp_path)
    odd = _work("u-boot", {}, bootm={"kernel": "${loadaddr}"})
    with pytest.raises(ConfigurationError, match=r"loadaddr.* is no address"):
        _prepare(odd, paths, "image")
    unknown = _work("u-boot", {"mkimage_arch": "z80"}, bootm={"kernel": "0x1"})
    with pytest.raises(ConfigurationError, match="mkimage_arch 'z80' is unknown"):
        _prepare(unknown, paths, "image")


def test_depthcharge_gets_kernel_tree_and_ramdisk_in_one_image(tmp_path: Path) -> None:
    paths = {**_files(tmp_path), "ramdisk": tmp_path / "rd"}
    work = _work("depthcharge", {"mkimage_arch": "arm64"}, load_address="0x44000000")
    made = _prepare(work, paths, "")["fit"]
    (command,) = work[1].commands
    assert " ".join(command).split(" ") == [
        *[
            "mkimage",
            "-D",
            "-I",
            "dts",
            "-O",
            "dtb",
            "-p",
            "2048",
            "-f",
            "auto",
            "-A",
            "arm64",
            "-O",
            "linux",
            "-T",
            "kernel",
            "-C",
            "none",
        ],
        *["-d", str(paths["kernel"]), "-a", "0x44000000"],
        *["-b", str(paths["dtb"]), "-i", str(paths["ramdisk"]), str(made)],
    ]
    assert _prepare(_work("depthcharge", {}), paths, "") == {}


def test_a_failure_of_mkimage_is_told_with_its_words(tmp_path: Path) -> None:
    work = _work("depthcharge", {"mkimage_arch": "arm64"})
    work[1].finish = Finished(1, "Error: no dtc\n")
    with pytest.raises(InfrastructureError, match="mkimage failed: Error: no dtc"):
        _prepare(work, _files(tmp_path), "")


@pytest.mark.parametrize(
    ("answers", "last"),
    [
        ("d-i a b\n", "d-i preseed/late_command string cp -r /lava-* /target/ || true"),
        (
            "d-i preseed/late_command string a \\\n  b ; \nd-i c d",
            "d-i preseed/late_command string a   b; cp -r /lava-* /target/ || true",
        ),
    ],
)
def test_debians_installer_takes_the_overlay_along(answers: str, last: str) -> None:
    assert last in with_late_command(answers).splitlines()
    assert with_late_command(answers).count("late_command") == 1


def test_answers_of_other_installers_stay(tmp_path: Path) -> None:
    path = tmp_path / "answers.cfg"
    path.write_text("d-i a b\n")
    assert prepared(path, "centos_installer") == path
    changed = prepared(path, "debian_installer")
    assert (changed.name, path.read_text()) == ("answers.cfg", "d-i a b\n")
    assert "late_command" in changed.read_text()
