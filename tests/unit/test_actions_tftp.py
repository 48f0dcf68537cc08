"""Deploy `tftp`: what is prepared, where it is served, what boots are left to know."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from labq.actions.deploy import tftp
from labq.actions.deploy.tftp import TftpParameters
from labq.hw.fake import FakeSession
from tests.unit.plans import plan, step

URL = {"url": "http://x/file"}
UBOOT_HEADER = b"\x27\x05\x19\x56"


def _deploy(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    block: Mapping[str, object],
    options: Mapping[str, object] | None = None,
) -> tuple[FakeSession, dict[str, Path]]:
    """Run the deploy of files that were fetched; return what is served by label."""
    monkeypatch.setenv("LABQ_HOST_FOLDER", str(folder))
    parameters = TftpParameters.model_validate({"to": "tftp", "kernel": URL, **block})
    made = step("tftp", block)
    dictionary = {"actions": {"deploy": {"parameters": options or {}}}}
    session = FakeSession(plan([made], dictionary), made, folder=folder / "files")
    fetched = {}
    for label in parameters.files():
        path = session.folder / label / "file"
        path.parent.mkdir(parents=True)
        path.write_bytes(_content(label))
        fetched[label] = str(path)
    session.memory["fetched"] = fetched
    tftp.run(session, parameters)
    images = session.memory["images"]
    assert isinstance(images, dict)
    return session, {label: Path(path) for label, path in images.items()}


def _content(label: str) -> bytes:
    if label == "ramdisk":
        return gzip.compress(b"cpio")
    if label != "modules":
        return label.encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("lib/modules/6.1/a.ko")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    return packed.getvalue()


def test_all_files_of_a_job_are_served_below_a_folder_that_nobody_can_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = {"dtb": URL, "dtbo": [URL, URL], "tee": URL, "preseed": URL}
    _, served = _deploy(tmp_path, monkeypatch, block)
    assert set(served) == {"kernel", "dtb", "dtbo0", "dtbo1", "tee", "preseed"}
    (root,) = (tmp_path / "tftp" / "board-01" / "7").iterdir()
    assert root.name.startswith("tftp-deploy-")
    assert {label: str(path.relative_to(root)) for label, path in served.items()} == {
        label: f"{label}/file" for label in served
    }


def test_files_of_the_jobs_own_have_a_folder_beside_and_shadow_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = {"extra_files": {"kernel": URL, "tests": URL}}
    session, served = _deploy(tmp_path, monkeypatch, block)
    assert served["kernel"].read_bytes() == b"kernel"
    folder = Path(str(session.memory["extra_files"]))
    assert (folder / "kernel" / "file").read_bytes() == b"extra_files/kernel"
    assert folder == served["kernel"].parent.parent / "extra_files"


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b"])
def test_names_of_extra_files_that_lead_elsewhere_are_refused(name: str) -> None:
    parameters = TftpParameters.model_validate({"kernel": URL, "extra_files": {name: URL}})
    (problem,) = tftp.check(parameters, {})
    assert problem.path == "extra_files"


@pytest.mark.parametrize(
    ("ramdisk", "options", "has_modules", "has_header"),
    [
        ({}, {}, True, False),
        ({}, {"add_header": "u-boot", "mkimage_arch": "arm"}, True, True),
        ({"install_modules": False}, {}, False, False),
        ({"install_modules": False}, {"add_header": "u-boot"}, False, True),
        (
            {"install_modules": False, "install_overlay": False},
            {"add_header": "u-boot"},
            False,
            False,
        ),
    ],
)
def test_a_ramdisk_gets_modules_and_header_where_they_are_wanted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ramdisk: Mapping[str, object],
    options: Mapping[str, object],
    *,
    has_modules: bool,
    has_header: bool,
) -> None:
    block = {"ramdisk": {**URL, "compression": "gz", **ramdisk}, "modules": URL}
    _, served = _deploy(tmp_path, monkeypatch, block, options)
    content = served["ramdisk"].read_bytes()
    assert content.startswith(UBOOT_HEADER) == has_header
    unpacked = gzip.decompress(content.removeprefix(content[:64]) if has_header else content)
    assert unpacked.startswith(b"cpio")
    assert (b"lib/modules/6.1/a.ko" in unpacked) == has_modules


def test_an_installer_without_a_network_finds_its_answers_in_the_ramdisk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = {"ramdisk": URL, "preseed": URL, "os": "centos_installer"}
    session, served = _deploy(tmp_path, monkeypatch, block)
    assert b"preseed.cfg" in gzip.decompress(served["ramdisk"].read_bytes())
    assert session.memory["preseed_local"] == "preseed.cfg"


def test_a_root_that_is_exported_already_is_told_to_the_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = {"address": "10.0.0.1:/srv/root", "install_overlay": False}
    session, _ = _deploy(tmp_path, monkeypatch, {"persistent_nfs": root})
    assert session.memory["nfs_root"] == {"address": "10.0.0.1", "path": "/srv/root"}


@pytest.mark.parametrize(
    ("block", "path"),
    [
        ({"nfsrootfs": URL}, "nfsrootfs"),
        ({"persistent_nfs": {"address": "a:/b"}}, "persistent_nfs"),
        ({"persistent_nfs": {"address": "a", "install_overlay": False}}, "persistent_nfs.address"),
    ],
)
def test_roots_that_are_not_driven_are_named(block: Mapping[str, object], path: str) -> None:
    parameters = TftpParameters.model_validate({"kernel": URL, **block})
    assert [one.path for one in tftp.check(parameters, {})] == [path]
