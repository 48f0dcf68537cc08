"""Boards that are flashed by files on a disk that they show: what is mounted, copied and said."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from labq.actions.steps import usb
from labq.domain.errors import InfrastructureError, JobError
from labq.domain.plan import StepKind, Timeouts
from labq.hw.fake import FakeConsole, FakeSession, Say
from labq.hw.session import Finished
from tests.unit.test_actions_flash import Bench, run

DAP = {"parameters": {"usb_mass_device": "/dev/disk/by-id/mbed", "skip_autoremount_wait": True}}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench whose boards' disks are there."""
    monkeypatch.setattr(usb, "SYS", tmp_path / "sys")
    monkeypatch.setattr(usb, "DEV", tmp_path / "dev")
    monkeypatch.setattr(usb, "GONE_SECONDS", 0.0)
    monkeypatch.setenv("LABQ_HOST_FOLDER", str(tmp_path / "host"))
    for disk in ("by-label/VEMSD", "by-id/usb-musca"):
        node = tmp_path / "dev/disk" / disk
        node.parent.mkdir(parents=True)
        node.touch()
    return Bench(tmp_path)


def disk_of(bench: Bench) -> Path:
    """Return where the board's disk is mounted."""
    return bench.folder / "host/mounts/board-01"


def with_label(session: FakeSession) -> FakeSession:
    """Give the board's disk a label."""
    dictionary = {**session.plan.dictionary, "usb_filesystem_label": "VEMSD"}
    session.plan = replace(session.plan, dictionary=dictionary)
    return session


def test_cmsis_dap_copies_the_images_to_the_boards_disk(bench: Bench) -> None:
    bench.image("zephyr", "z.bin")
    device = {"parameters": {**DAP["parameters"], "resets_after_flash": False}}
    session = bench.session(StepKind.BOOT, "cmsis-dap", device)
    disk = str(disk_of(bench))
    assert run(session) == [
        ("mount", "-t", "vfat", "/dev/disk/by-id/mbed", disk),
        ("sync", disk),
        ("umount", disk),
    ]
    assert (disk_of(bench) / "z.bin").read_text() == "zephyr"


def test_a_board_that_did_not_take_the_image_says_so_on_its_disk(bench: Bench) -> None:
    bench.image("zephyr", "z.bin")
    disk_of(bench).mkdir(parents=True)
    (disk_of(bench) / "FAIL.TXT").write_text("flash algorithm erase sector\r\n")
    session = bench.session(StepKind.BOOT, "cmsis-dap", DAP)
    with pytest.raises(InfrastructureError, match="flash algorithm erase sector"):
        run(session)
    assert session.commands[-1] == ("umount", str(disk_of(bench)))


def test_a_disk_that_cannot_be_mounted_is_the_labs_fault(bench: Bench) -> None:
    bench.image("zephyr", "z.bin")
    session = bench.session(StepKind.BOOT, "cmsis-dap", DAP)
    session.finish = Finished(32, "mount: must be superuser to use mount.\n")
    with pytest.raises(InfrastructureError, match="must be superuser"):
        run(session)


def test_musca_gets_its_image_and_is_asked_whether_it_took_it(bench: Bench) -> None:
    bench.image("test_binary", "blinky.hex")
    bench.resets = True
    images = {"test_binary": {"url": "http://x/blinky.hex"}}
    session = bench.session(StepKind.DEPLOY, "musca", {"id_serial": "usb-musca"}, images=images)
    node, disk = str(bench.folder / "dev/disk/by-id/usb-musca"), str(disk_of(bench))
    one = [("mount", node, disk), ("sync", disk), ("umount", disk)]
    assert run(session) == [*one, *one]
    assert session.disconnected == ["serial"]
    assert (disk_of(bench) / "blinky.hex").exists()


def _mps(bench: Bench, **image: object) -> FakeSession:
    recovery = bench.folder / "common/recovery_image/mps.zip"
    recovery.parent.mkdir(parents=True)
    with zipfile.ZipFile(recovery, "w") as archive:
        archive.writestr("SOFTWARE/config.txt", "AUTORUN: TRUE")
    bench.image("test_binary_1", "zephyr.elf")
    images: dict[str, Mapping[str, object]] = {
        "recovery_image": {"url": "http://x/mps.zip", "compression": "zip"},
        "test_binary_1": {"url": "http://x/zephyr.elf", **image},
    }
    bench.images = images
    device = {"parameters": {"hard-reboot": False, "reboot-string": "hsyxhj"}}
    return with_label(bench.session(StepKind.DEPLOY, "mps", device, images=images))


def test_mps_replaces_what_is_on_the_disk_and_asks_for_a_reboot(bench: Bench) -> None:
    disk_of(bench).mkdir(parents=True)
    (disk_of(bench) / "old.txt").touch()
    run(_mps(bench, rename="SOFTWARE/mbed.elf"))
    found = {
        str(path.relative_to(disk_of(bench))): path.read_text()
        for path in disk_of(bench).rglob("*")
        if path.is_file()
    }
    assert found == {
        "SOFTWARE/config.txt": "AUTORUN: TRUE",
        "SOFTWARE/mbed.elf": "test_binary_1",
        "reboot.txt": "hsyxhj",
    }


def test_a_file_cannot_leave_the_boards_disk(bench: Bench) -> None:
    with pytest.raises(JobError, match="leads out of the board's disk"):
        run(_mps(bench, rename="../../x"))


VEMSD: Mapping[str, object] = {
    "parameters": {
        "mcc_prompt": "Cmd>",
        "autorun_prompt": "Press Enter to stop auto boot...",
        "msd_mount_cmd": "usb_on",
        "mcc_reset_msg": "Programming NOR Flash",
        "flash_prompt": "Flash>",
        "flash_enter_cmd": "flash",
        "flash_erase_cmd": "eraseall",
        "flash_erase_msg": "Erasing Flash",
        "flash_exit_cmd": "exit",
    }
}
ANSWERS = {
    b" \n": [Say(b"\r\nCmd> ")],
    b"usb_on\n": [Say(b"Enabling debug USB...\r\nCmd> ")],
    b"flash\n": [Say(b"Flash> ")],
    b"eraseall\n": [Say(b"Erasing Flash\r\n"), Say(b"Flash> ")],
    b"exit\n": [Say(b"Cmd> ")],
}


def _juno(bench: Bench, greeting: bytes) -> FakeSession:
    path = bench.folder / "common/recovery_image/juno.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.txt", "juno")
    image = {"url": "http://x/juno.zip", "compression": "zip"}
    bench.images, bench.resets = {"recovery_image": image}, True
    session = with_label(bench.session(StepKind.DEPLOY, "vemsd", VEMSD, recovery_image=image))
    session.consoles["serial"] = FakeConsole([greeting], lambda sent: ANSWERS.get(sent, ()))
    return session


def test_the_controller_of_a_juno_is_stopped_and_its_flash_erased(bench: Bench) -> None:
    session = _juno(bench, b"ARM V2M-Juno\r\nPress Enter to stop auto boot...\r\n")
    run(session)
    assert session.console().sent == list(ANSWERS)
    assert (disk_of(bench) / "config.txt").read_text() == "juno"


def test_a_controller_that_starts_all_the_same_is_the_labs_fault(bench: Bench) -> None:
    session = _juno(bench, b"Programming NOR Flash\r\n")
    with pytest.raises(InfrastructureError, match="automatic start was not stopped"):
        run(session)


@pytest.mark.parametrize(("serial", "driver"), [("other", "cdc_acm"), ("0240", "ftdi_sio")])
def test_a_serial_port_must_be_the_boards(bench: Bench, serial: str, driver: str) -> None:
    port = bench.folder / "sys/class/tty/ttyACM0"
    port.mkdir(parents=True)
    (port / "device").symlink_to(plug_port(bench, serial, driver))
    session = bench.session(StepKind.BOOT, "musca", {})
    session.step = replace(session.step, timeouts=Timeouts(block=0.0, action=0.0))
    with pytest.raises(InfrastructureError, match=r"serial port .cdc_acm. of USB device 0d28:0204"):
        run(session)


def plug_port(bench: Bench, serial: str, driver: str) -> Path:
    """Put a board's serial port into sysfs; returns the folder of its interface."""
    interface = bench.folder / "sys/bus/usb/devices/2-1/2-1:1.0"
    interface.mkdir(parents=True)
    for name, value in (("serial", serial), ("idVendor", "0d28"), ("idProduct", "0204")):
        (interface.parent / name).write_text(value)
    (bench.folder / "sys" / driver).mkdir()
    (interface / "driver").symlink_to(bench.folder / "sys" / driver)
    return interface
