"""Flash tools: the command lines of each method, and what of their words is a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from labq.actions import boot, deploy
from labq.actions.method import Method
from labq.actions.steps import tool, usb
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError
from labq.domain.plan import ConsoleSpec, PlanStep, StepKind, Timeouts
from labq.hw.fake import FakeConsole, FakePower, FakeSession
from labq.hw.session import Finished
from tests.unit.plans import plan, step

SLOW = Timeouts(block=60.0, action=60.0, connection=30.0)
BOARD: Mapping[str, object] = {
    "board_id": "0240",
    "usb_vendor_id": "0d28",
    "usb_product_id": "0204",
    "board_qdl_id": "cafe",
}


def method_of(step_: PlanStep) -> Method:
    """Return the step's method."""
    methods = boot.METHODS if step_.kind is StepKind.BOOT else deploy.METHODS
    (found,) = [one for one in methods if one.name == step_.method]
    return found


class Bench:
    """One boot or deploy with images that were fetched before."""

    def __init__(self, folder: Path, resets: bool = False) -> None:
        self.folder, self.resets = folder, resets
        self.images: dict[str, Mapping[str, object]] = {}

    def image(self, label: str, name: str, **keys: object) -> str:
        """Deploy an image; return its path."""
        path = self.folder / "common" / label / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(label)
        self.images[label] = {"url": f"http://x/{name}", **keys}
        return str(path)

    def session(
        self, kind: StepKind, method: str, device: Mapping[str, object], **block: object
    ) -> FakeSession:
        """Return the session of the block."""
        key = "method" if kind is StepKind.BOOT else "to"
        before = step("tmpfs", {"images": self.images}, kind=StepKind.DEPLOY, timeouts=SLOW)
        made = step(
            method, {key: method, **block}, kind=kind, device=device, timeouts=SLOW, index=1
        )
        whole = plan([before, made], {**BOARD, "commands": {"hard_reset": ["off", "on"]}})
        session = FakeSession(
            whole,
            made,
            folder=self.folder,
            consoles={"serial": FakeConsole()},
            power=FakePower(resets=self.resets),
        )
        paths = {
            label: str(next((self.folder / "common" / label).iterdir())) for label in self.images
        }
        session.memory["images"] = paths
        session.memory["fetched"] = paths
        return session


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench without boards on USB."""
    monkeypatch.setattr(usb, "SYS", tmp_path / "sys")
    monkeypatch.setattr(usb, "DEV", tmp_path / "dev")
    return Bench(tmp_path)


def plug(folder: Path, serial: str = "0240", vendor: str = "0d28", product: str = "0204") -> Path:
    """Put a USB device into sysfs; returns its folder."""
    device = folder / "sys/bus/usb/devices/1-1"
    device.mkdir(parents=True)
    for name, value in (("serial", serial), ("idVendor", vendor), ("idProduct", product)):
        (device / name).write_text(f"{value}\n")
    return device


def run(session: FakeSession) -> list[tuple[str, ...]]:
    """Run the step; return its commands."""
    method = method_of(session.step)
    assert method.run is not None
    parameters = method.parameters.model_validate(dict(session.step.parameters))
    assert method.check(parameters, session.step.device) == []
    method.run(session, parameters)
    return session.commands


def test_a_tool_is_logged_as_readers_of_lava_logs_expect(bench: Bench) -> None:
    session = bench.session(StepKind.BOOT, "pyocd", {})
    session.finish = Finished(3, "one\ntwo\n")
    finished = tool.call(Work(session), ("flash", "a b"), Deadline.after(9.0))
    assert finished.returncode == 3
    assert [text for _, text in session.lines] == [
        "Calling: ['flash', 'a b']",
        ">> one",
        ">> two",
        "Returned 3 in 0 seconds",
    ]


FLASHER = {
    "commands": ["flash {KERNEL} --url {DIRECT} '{HARD_RESET_COMMAND}'", "info '{DEVICE_INFO}'"]
}


def test_a_flasher_runs_the_devices_commands_in_the_folder_of_the_images(bench: Bench) -> None:
    bench.image("kernel", "my image")
    images = {**bench.images, "direct": {"url": "http://x/y z", "download": False}}
    session = bench.session(StepKind.DEPLOY, "flasher", FLASHER, images=images)
    assert run(session) == [
        ("flash", "kernel/my image", "--url", "http://x/y z", "off && on"),
        ("info", "[]\n"),
    ]


def test_a_flasher_that_fails_ends_the_job_with_its_last_words(bench: Bench) -> None:
    bench.image("kernel", "k")
    session = bench.session(StepKind.DEPLOY, "flasher", FLASHER, images=bench.images)
    session.finish = Finished(7, "no such partition\n")
    with pytest.raises(JobError, match=r"ended with 7; it said: no such partition"):
        run(session)
    assert len(session.commands) == 1


def test_a_device_without_commands_cannot_flash() -> None:
    (method,) = [one for one in deploy.METHODS if one.name == "flasher"]
    parameters = method.parameters.model_validate({"images": {"a": {"url": "http://x/a"}}})
    (problem,) = method.check(parameters, {"commands": None})
    assert "no list of commands" in problem.message


JLINK = {
    "parameters": {
        "command": "JLinkExe",
        "address": 4096,
        "processor": "MK64",
        "supported_core_types": ["M33", "M7"],
        "erase_command": ["erase"],
        "reset_command": ["r"],
        "options": ["-if SWD", "-speed 4000"],
    }
}


def test_jlink_flashes_by_a_script(bench: Bench) -> None:
    path = bench.image("zephyr", "zephyr.bin")
    session = bench.session(StepKind.BOOT, "jlink", JLINK, coretype="M7")
    script = bench.folder / "jlink-3" / "cmd.jlink"
    line = "JLinkExe -device MK64_M7 -if SWD -speed 4000 -autoconnect 1 -NoGui 1 -CommanderScript"
    assert run(session) == [(*line.split(), str(script), "-SelectEmuBySN", "0240")]
    loads = [f"loadfile {path} 0x1000", f"verifybin {path} 0x1000"]
    assert script.read_text().split("\n") == ["r", "h", "sleep 500", "erase", *loads, "r", "qc"]


def test_jlink_takes_the_jobs_own_lines(bench: Bench) -> None:
    path = bench.image("cpu1", "a.hex")
    session = bench.session(StepKind.BOOT, "jlink", JLINK, commands=["loadfile {cpu1} 0x84"])
    run(session)
    assert f"\nloadfile {path} 0x84\n" in (bench.folder / "jlink-3" / "cmd.jlink").read_text()
    assert "MK64_M33" in session.commands[0]


def test_a_probe_that_is_not_there_is_the_labs_fault(bench: Bench) -> None:
    bench.image("a", "a.bin")
    session = bench.session(StepKind.BOOT, "jlink", JLINK)
    session.finish = Finished(0, "Connecting to J-Link via USB...FAILED\n")
    with pytest.raises(InfrastructureError, match="FAILED"):
        run(session)


PYOCD = {"parameters": {"command": "pyocd", "options": ["load", "-t k64f"]}}


def test_pyocd_flashes_each_image(bench: Bench) -> None:
    one = bench.image("zephyr", "z.bin")
    two = bench.image("data", "d.bin", image_arg="-a 0x10 {data}")
    assert run(bench.session(StepKind.BOOT, "pyocd", PYOCD)) == [
        ("pyocd", "load", "-t", "k64f", "--board", "0240", one),
        ("pyocd", "load", "-t", "k64f", "--board", "0240", "-a", "0x10", two),
    ]


def test_a_board_with_power_is_reset_and_waited_for(bench: Bench) -> None:
    bench.image("zephyr", "z.bin")
    bench.resets = True
    plug(bench.folder)
    session = bench.session(StepKind.BOOT, "pyocd", PYOCD)
    run(session)
    assert session.power.calls == ["reset"]
    assert "wait-device-boardid" in {one.case for one in session.results}


def test_a_board_that_does_not_come_is_the_labs_fault(bench: Bench) -> None:
    bench.image("zephyr", "z.bin")
    bench.resets = True
    plug(bench.folder, serial="other")
    session = bench.session(StepKind.BOOT, "pyocd", PYOCD)
    session.step = replace(session.step, timeouts=Timeouts(block=0.0, action=0.0))
    with pytest.raises(InfrastructureError, match="serial 0240 did not appear within 0 seconds"):
        run(session)


def test_a_board_without_a_serial_number_is_badly_configured() -> None:
    with pytest.raises(ConfigurationError, match="board_id, usb_vendor_id is not set"):
        usb.board_of({"board_id": "0000000000", "usb_product_id": "1"}, ids=True)


OPENOCD = {
    "board_selection_cmd": "xds110_serial 01",
    "parameters": {
        "command": "openocd",
        "options": {"file": ["board/x.cfg"], "command": ["init", "verify {BINARY}"], "debug": 2},
    },
}


@pytest.mark.parametrize("has_script", [False, True])
def test_openocd_runs_the_devices_commands(bench: Bench, has_script: bool) -> None:
    binary = bench.image("binary", "b.elf")
    script = bench.image("openocd_script", "o.cfg") if has_script else "board/x.cfg"
    selection = bench.folder / "openocd-3" / "board_selection.cfg"
    words = ["openocd", "-f", script, "-f", str(selection), "-d2", "-c", "init", "-c"]
    assert run(bench.session(StepKind.BOOT, "openocd", OPENOCD)) == [
        (*words, f"verify {binary}"),
    ]
    assert selection.read_text() == "xds110_serial 01"


DFU = {"parameters": {"command": "dfu-util", "options": ["-v"]}}
DFU_END = "No error condition is present\nDone!\n"


def test_dfu_pushes_each_image_and_leaves_the_mode_after_the_last(bench: Bench) -> None:
    one = bench.image("a", "a.bin", image_arg="--alt x --download {a}")
    two = bench.image("b", "b.bin", image_arg="--alt y --download {b}")
    plug(bench.folder)
    bench.resets = True
    session = bench.session(StepKind.BOOT, "dfu", DFU)
    session.finish = Finished(0, DFU_END)
    base = ("dfu-util", "-v", "--serial", "0240", "--device", "0d28:0204", "--alt")
    assert run(session) == [
        (*base, "x", "--download", one),
        (*base, "y", "--download", two, "--reset"),
    ]


def test_dfu_that_says_not_that_it_is_done_has_failed(bench: Bench) -> None:
    bench.image("a", "a.bin", image_arg="--download {a}")
    plug(bench.folder)
    bench.resets = True
    session = bench.session(StepKind.BOOT, "dfu", DFU)
    session.finish = Finished(0, "Lost device after RESET?\n")
    with pytest.raises(InfrastructureError, match="Lost device"):
        run(session)


def test_recovery_switches_the_mode_without_power(bench: Bench) -> None:
    session = bench.session(StepKind.BOOT, "recovery", {}, commands="exit")
    session.plan = replace(
        session.plan,
        dictionary={
            "actions": {
                "deploy": {
                    "methods": {"recovery": {"commands": {"recovery_exit": ["sw -r 'a b'"]}}}
                }
            }
        },
    )
    assert run(session) == [("sw", "-r", "a b")]
    assert session.power.calls == ["off", "on"]


QDL = {"parameters": {"command": "qdl", "enter-commands": ["edl --on 1"]}}
QDL_JOB = {
    "firehose_program": "prog.elf",
    "rawprogram": "raw0.xml raw1.xml",
    "patch": "patch0.xml",
    "storage": "ufs",
    "path": "boot",
    "debug": True,
}


def test_qdl_pushes_what_the_archive_has(bench: Bench) -> None:
    (bench.folder / "qdl/unpacked/boot").mkdir(parents=True)
    plug(bench.folder)
    bench.resets = True
    session = bench.session(StepKind.BOOT, "qdl", QDL, **QDL_JOB)
    session.memory["qdl"] = str(bench.folder / "qdl/unpacked")
    line = "qdl --debug --storage ufs --serial cafe prog.elf raw0.xml raw1.xml patch0.xml"
    assert run(session) == [("edl", "--on", "1"), tuple(line.split())]


def test_qdl_stays_within_the_archive(bench: Bench) -> None:
    session = bench.session(StepKind.BOOT, "qdl", QDL, **{**QDL_JOB, "path": "../.."})
    session.memory["qdl"] = str(bench.folder)
    with pytest.raises(JobError, match="the archive has no folder"):
        run(session)


UUU = {
    "options": {
        "usb_otg_path": ["1:12", "2:3"],
        "corrupt_boot_media_command": ["mmc erase 0 0x400"],
        "bcu_board_name": "imx8",
        "bcu_board_id": "2-1.3",
    }
}


def test_uuu_is_bound_to_the_boards_ports(bench: Bench) -> None:
    path = bench.image("boot", "boot.bin")
    bench.resets = True
    commands = [{"uuu": "-b sd {boot}"}, {"SDP": "boot -f {boot}"}]
    session = bench.session(StepKind.BOOT, "uuu", UUU, commands=commands)
    ports = ("-m", "1:12", "-m", "2:3")
    assert run(session) == [
        ("timeout", "--preserve-status", "15", "uuu", *ports, path),
        ("uuu", *ports, "-b", "sd", path),
        ("uuu", *ports, "SDP:", "boot", "-f", path),
    ]
    assert session.power.calls == ["reset", "reset"]


def test_the_board_controller_is_left_as_it_was_found(bench: Bench) -> None:
    bench.image("boot", "boot.bin")
    commands = [{"bcu": "reset usb"}]
    session = bench.session(StepKind.BOOT, "uuu", UUU, commands=commands)
    end = ("-board=imx8", "-id=2-1.3")
    assert run(session) == [("bcu", "reset", "usb", *end), ("bcu", "deinit", *end)]


def test_uuu_in_a_container_sees_the_images_and_the_hosts_devices(bench: Bench) -> None:
    bench.image("boot", "boot.bin")
    block = {"commands": [{"bcu": "reset usb"}], "docker": {"image": "uuu:1", "local": True}}
    commands = run(bench.session(StepKind.BOOT, "uuu", UUU, **block))
    folder = bench.folder / "common"
    assert [one[:3] for one in commands[:2]] == [
        ("docker", "image", "inspect"),
        ("docker", "rm", "--force"),
    ]
    (ran,) = [one for one in commands if "reset" in one]
    assert ran[:4] == ("docker", "run", "--privileged", "--volume=/dev:/dev")
    assert f"--mount=type=bind,source={folder},destination={folder}" in ran
    assert ran[-6:] == ("uuu:1", "bcu", "reset", "usb", "-board=imx8", "-id=2-1.3")


def test_a_board_whose_usb_path_is_nowhere_is_badly_configured(bench: Bench) -> None:
    bench.image("boot", "boot.bin")
    session = bench.session(
        StepKind.BOOT, "uuu", {"options": {"usb_otg_path": None}}, commands=[{"uuu": "{boot}"}]
    )
    with pytest.raises(ConfigurationError, match="no usb_otg_path_command"):
        run(session)


GADGET = {"enable": ["ms-on", "--file={IMAGE}"], "disable": "ms-off board"}


def test_a_gadget_shows_the_image_until_the_run_is_over(bench: Bench) -> None:
    path = bench.image("image", "disk.img")
    session = bench.session(StepKind.DEPLOY, "usbg-ms", GADGET, image={"url": "http://x/disk.img"})
    assert run(session) == [("ms-on", f"--file={path}")]
    assert session.memory["usbg-ms/disable"] == ["ms-off", "board"]


def test_a_chroot_is_entered_on_the_console(bench: Bench) -> None:
    block = {"schroot": "sid; x", "connection": "ssh", "prompts": ["root@sid"]}
    session = bench.session(StepKind.BOOT, "schroot", {"command": None}, **block)
    session.console().say(b"root@sid:~# ")
    assert run(session) == []
    assert session.console().sent == [b"schroot -c 'sid; x'\n"]
    assert session.memory["prompts"] == ["root@sid"]


def gdb(*, in_container: bool) -> Mapping[str, object]:
    """Return what a dictionary says of GDB."""
    return {
        "parameters": {"command": "gdb-multiarch", "wait_before_continue": 5},
        "openocd": {
            "arguments": ["{ZEPHYR}"],
            "commands": ["target remote x", "load"],
            "docker": {"use": in_container, "container": "ti", "devices": ["/dev/hidraw3"]},
        },
    }


@pytest.mark.parametrize("in_container", [False, True])
def test_gdb_loads_the_image_and_lets_it_go_on(bench: Bench, in_container: bool) -> None:
    path = bench.image("zephyr", "z.elf")
    port = bench.folder / "sys/class/tty/ttyACM0"
    port.mkdir(parents=True)
    device = plug(bench.folder)
    (device / "1-1:1.0").mkdir()
    (bench.folder / "sys/cdc_acm").mkdir()
    (device / "1-1:1.0/driver").symlink_to(bench.folder / "sys/cdc_acm")
    (port / "device").symlink_to(device / "1-1:1.0")
    device_part = gdb(in_container=in_container)
    session = bench.session(StepKind.BOOT, "gdb", device_part, commands="openocd")
    debugger = FakeConsole([b"(gdb) "], lambda _sent: (), channel="gdb")
    debugger.say(b"(gdb) ", b"(gdb) ")
    session.consoles["gdb"] = debugger
    run(session)
    assert debugger.sent == [b"target remote x\n", b"load\n", b"continue\n"]
    (emulator,) = session.emulators
    assert emulator.has_terminal
    assert emulator.argv[-2:] == ("gdb-multiarch", path)
    assert ("--device=/dev/hidraw3:/dev/hidraw3:rw" in emulator.argv) is in_container


def test_a_serial_console_is_opened_before_the_board_is_flashed(bench: Bench) -> None:
    bench.image("zephyr", "z.bin")
    session = bench.session(StepKind.BOOT, "openocd", OPENOCD)
    session.plan = replace(
        session.plan, consoles=(ConsoleSpec(channel="serial", kind="url", url="/dev/ttyACM0"),)
    )
    session.consoles.clear()
    with pytest.raises(InfrastructureError, match="no console"):
        run(session)
    assert session.commands == []


def test_what_an_emulator_prints_is_for_monitors_without_a_login(bench: Bench) -> None:
    path = bench.image("kernel", "luv", image_arg="-kernel {kernel}")
    device = {"parameters": {"command": "qemu-system-x86_64", "options": ["-m 512"]}}
    session = bench.session(StepKind.BOOT, "monitor", device)
    run(session)
    (emulator,) = session.emulators
    assert emulator.argv == ("qemu-system-x86_64", "-m", "512", "-kernel", path)
