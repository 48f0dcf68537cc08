"""Lines for boot loaders: what their placeholders become, by what was deployed before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from labq.actions.steps.loader_commands import substituted
from labq.domain.errors import JobError
from labq.domain.plan import StepKind
from labq.hw.fake import FakeSession
from tests.unit.plans import plan, step

BOARD: Mapping[str, object] = {
    "kernel": "0x4000",
    "ramdisk": "0x6000",
    "dtb": "0x5000",
    "tee": "0x7000",
    "dtbo": "0x8000",
}
LINES = [
    "setenv serverip {SERVER_IP}; echo ${BOOT} {lower}",
    "tftp {KERNEL_ADDR} {KERNEL}",
    "tftp {RAMDISK_ADDR} {RAMDISK}",
    "tftp {TEE_ADDR} {TEE}",
    "tftp {DTB_ADDR} {DTB}",
    "{BOOTX}",
]


def _session(
    folder: Path,
    images: tuple[str, ...] = ("kernel",),
    *,
    method: str = "u-boot",
    header: str = "raw",
    device: Mapping[str, object] | None = None,
    parameters: Mapping[str, object] | None = None,
) -> FakeSession:
    made = step(method, {"method": method, "commands": "x"}, device=device or {}, index=1)
    dictionary = {
        "host_address": "10.0.2.2",
        "parameters": {"booti": BOARD, **(parameters or {})},
        "actions": {"deploy": {"parameters": {"add_header": header}}},
    }
    session = FakeSession(plan([made], dictionary), made)
    served = folder / "tftp" / session.plan.device / "7" / "tftp-deploy-x"
    for label in images:
        (served / label).mkdir(parents=True)
        (served / label / "file").touch()
    session.memory["images"] = {label: str(served / label / "file") for label in images}
    return session


@pytest.fixture(autouse=True)
def _host_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABQ_HOST_FOLDER", str(tmp_path))


def test_paths_are_those_of_the_tftp_server_and_lines_without_values_are_dropped(
    tmp_path: Path,
) -> None:
    root = "7/tftp-deploy-x"
    lines = substituted(_session(tmp_path, ("kernel", "ramdisk", "dtb")), LINES)
    assert lines == [
        "setenv serverip 10.0.2.2; echo ${BOOT} {lower}",
        f"tftp 0x4000 {root}/kernel/file",
        f"tftp 0x6000 {root}/ramdisk/file",
        f"tftp 0x5000 {root}/dtb/file",
        "booti 0x4000 0x6000:${initrd_size} 0x5000",
    ]


@pytest.mark.parametrize(
    ("images", "header", "command"),
    [
        (("kernel",), "raw", "booti 0x4000 - 0x5000"),
        (("kernel", "ramdisk"), "u-boot", "booti 0x4000 0x6000 0x5000"),
        (("kernel", "ramdisk"), "", "booti 0x4000 - 0x5000"),
        (("kernel", "initrd"), "raw", "booti 0x4000 0x6000:${initrd_size} 0x5000"),
        (("kernel", "tee", "ramdisk"), "raw", "booti 0x7000 0x6000:${initrd_size} 0x5000"),
    ],
)
def test_the_command_that_starts_the_kernel_names_what_there_is(
    tmp_path: Path, images: tuple[str, ...], header: str, command: str
) -> None:
    assert substituted(_session(tmp_path, images, header=header), ["{BOOTX}"]) == [command]


def test_a_board_with_a_device_tree_of_its_own_boots_by_it_unless_the_job_has_one(
    tmp_path: Path,
) -> None:
    bare = _session(tmp_path, parameters={"board_dtb": "${fdt_addr}"})
    assert substituted(bare, ["{BOOTX}"]) == ["booti 0x4000 - ${fdt_addr}"]
    given = _session(tmp_path / "b", ("kernel", "dtb"), parameters={"board_dtb": "${fdt_addr}"})
    assert substituted(given, ["{BOOTX}"]) == ["booti 0x4000 - 0x5000"]


@pytest.mark.parametrize(
    ("kind", "tables", "command"),
    [
        ("zimage", {"bootz": {"kernel": "1", "dtb": "2"}}, "bootz 1 - 2"),
        ("zimage", {"bootm": {"kernel": "1", "dtb": "2"}}, "bootm 1 - 2"),
        ("uimage", {"bootm": {"kernel": "1", "dtb": "2"}}, "bootm 1 - 2"),
        ("image", {}, "booti 0x4000 - 0x5000"),
    ],
)
def test_the_type_of_the_kernel_picks_the_command_that_the_board_has(
    tmp_path: Path, kind: str, tables: Mapping[str, object], command: str
) -> None:
    session = _session(tmp_path, parameters=tables)
    session.memory["kernel_type"] = kind
    assert substituted(session, ["{BOOTX}"]) == [command]


def test_overlays_of_the_device_tree_are_applied_one_by_one_where_the_set_says(
    tmp_path: Path,
) -> None:
    apply = {"parameters": {"apply_dtbo_commands": ["tftp {DTBO_ADDR} {DTBO}", "fdt apply"]}}
    lines = ["fdt resize {DTB_BASE_ADDR} {DTB_BASE_RESIZE}", "{APPLY_DTBO_COMMANDS}", "boot"]
    session = _session(
        tmp_path, ("kernel", "dtbo0", "dtbo1"), device=apply, parameters={"dtb_base_resize": 4096}
    )
    assert substituted(session, lines) == [
        "fdt resize 0x5000 4096",
        "tftp 0x8000 7/tftp-deploy-x/dtbo0/file",
        "fdt apply",
        "tftp 0x8000 7/tftp-deploy-x/dtbo1/file",
        "fdt apply",
        "boot",
    ]
    assert substituted(_session(tmp_path / "b", device=apply), lines) == ["boot"]


def test_deploys_leave_what_only_they_know(tmp_path: Path) -> None:
    session = _session(tmp_path, ("kernel", "preseed"))
    session.memory |= {
        "nfs_root": {"address": "10.9.9.9", "path": "/srv/root"},
        "nbd_port": 55001,
        "preseed_local": "preseed.cfg",
        "extra_files": f"{tmp_path}/tftp/{session.plan.device}/7/tftp-deploy-x/extra_files",
    }
    lines = [
        "{NFS_SERVER_IP}:{NFSROOTFS} {LAVA_JOB_ID} {LAVA_DISPATCHER_IP}",
        "{NBDSERVERIP}:{NBDSERVERPORT}",
        "{PRESEED_CONFIG} {PRESEED_LOCAL}",
        "{EXTRA_FILES_DIR}/a",
        "{LAVA_MAC}",
        "{ROOT}",
    ]
    assert substituted(session, lines) == [
        "10.9.9.9:/srv/root 7 10.0.2.2",
        "10.0.2.2:55001",
        "7/tftp-deploy-x/preseed/file preseed.cfg",
        "7/tftp-deploy-x/extra_files/a",
    ]


def test_a_boot_from_a_disk_that_was_written_names_its_partition_and_files(tmp_path: Path) -> None:
    session = _from_disk(tmp_path, kernel="/boot/vmlinuz", root_uuid="UUID=1", boot_part=1)
    lines = ["load scsi {ROOT_PART} {KERNEL_ADDR} {KERNEL}", "root={ROOT}", "x {RAMDISK}"]
    assert substituted(session, [*lines, "{BOOTX}"]) == [
        "load scsi 0:1 0x4000 /boot/vmlinuz",
        "root=UUID=1",
        "booti 0x4000 - 0x5000",
    ]


def test_a_boot_from_a_disk_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="needs root_uuid, boot_part in its block"):
        substituted(_from_disk(tmp_path, kernel="a"), ["x"])
    odd = _from_disk(tmp_path, "other", kernel="a", root_uuid="b", boot_part=1)
    with pytest.raises(JobError, match="wrote 'other', which is none of sata"):
        substituted(odd, ["x"])


def _from_disk(folder: Path, disk: str = "ssd", **block: object) -> FakeSession:
    written = step("sata", {"device": disk}, kind=StepKind.DEPLOY, index=0)
    parameters = {"method": "u-boot", "commands": "sata", "kernel_type": "image", **block}
    boot = step("u-boot", parameters, index=1)
    board = {"booti": BOARD, "media": {"sata": {"ssd": {"device_id": 0, "uuid": "ata"}}}}
    return FakeSession(plan([written, boot], {"parameters": board}), boot, folder=folder)
