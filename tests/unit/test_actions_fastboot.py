"""Fastboot without a device: checks of dictionaries, the client's last words, ways into fastboot."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from labq.actions.boot.fastboot import FastbootBootParameters
from labq.actions.boot.fastboot import check as check_boot
from labq.actions.deploy.fastboot import FastbootParameters
from labq.actions.deploy.fastboot import check as check_deploy
from labq.actions.parameters import BootParameters
from labq.actions.steps.fastboot import check_device, client_of, enter
from labq.actions.steps.fastboot_words import failure_of
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError
from labq.domain.plan import Timeouts
from labq.hw.fake import FakeConsole, FakePower, FakeSession
from labq.hw.session import Finished
from tests.unit.plans import plan, step

GOOD: Mapping[str, object] = {
    "fastboot_serial_number": "191c51d6",
    "adb_serial_number": "191c51d6",
    "fastboot_options": [],
    "sequence": ["reboot"],
    "can_reset": True,
    "has_console": True,
}


def session(device: Mapping[str, object], **changes: object) -> FakeSession:
    """Return a session of one deploy."""
    made = step("fastboot", {}, device=device, timeouts=Timeouts(block=60.0, action=60.0))
    whole = plan([made], {"commands": {}})
    return FakeSession(whole, made, consoles={"serial": FakeConsole()}, **changes)  # type: ignore[arg-type]  # fields by name


def work(made: FakeSession) -> Work:
    """Return the work of a step at work."""
    return Work(made, deadlines=[Deadline.after(60.0)], numbers=[1, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fastboot_serial_number": None}, "the device has no fastboot_serial_number"),
        (
            {"fastboot_serial_number": "0000000000"},
            "the device's fastboot_serial_number is not set",
        ),
        ({"fastboot_options": None}, "the device has no fastboot_options"),
        ({"can_reset": False, "adb_serial_number": "0000000000"}, "neither hard_reset nor"),
        ({"fastboot_via_uboot": True}, "names no commands"),
    ],
)
def test_what_a_device_lacks_is_named(change: Mapping[str, object], message: str) -> None:
    (problem,) = check_device({**GOOD, **change})
    assert message in problem.message


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"fastboot_serial_number": "0000000000", "fastboot_auto_detection": True},
        {"can_reset": False},
        {
            "fastboot_via_uboot": True,
            "u-boot": {"parameters": {"fastboot": {"commands": ["fastboot usb 0"]}}},
        },
    ],
)
def test_a_device_that_has_all_is_fit(change: Mapping[str, object]) -> None:
    assert list(check_device({**GOOD, **change})) == []


def test_what_cannot_be_done_with_an_image_is_refused() -> None:
    other = {"url": "http://x/3", "format": "tar", "path": "/"}
    images = {
        "rootfs": {"url": "http://x/1", "format": "tar", "partition": 1, "overlays": {"a": other}},
        "boot": {"url": "http://x/2", "reboot": "hard-reset"},
    }
    parameters = FastbootParameters.model_validate({"images": images})
    paths = [problem.path for problem in check_deploy(parameters, {**GOOD, "can_reset": False})]
    assert paths == [
        "images.rootfs.partition",
        "images.boot.reboot",
    ]


def test_what_cannot_be_done_at_boot_is_refused() -> None:
    parameters = FastbootBootParameters.model_validate({"commands": ["erase 'x"]})
    device = {**GOOD, "sequence": ["dance"], "has_console": False}
    paths = [problem.path for problem in check_boot(parameters, device)]
    assert paths == ["method", "method", "commands[0]"]


@pytest.mark.parametrize(
    ("code", "said", "kind", "message"),
    [
        (-13, "Sending 'x'", InfrastructureError, "was killed by SIGPIPE; it said: Sending 'x'"),
        (141, "", InfrastructureError, "was killed by SIGPIPE; it said: nothing"),
        (137, "", InfrastructureError, "was killed by SIGKILL"),
        (124, "< waiting for x >", InfrastructureError, "was ended by a time limit"),
        (1, "FAILED (remote: 'no such partition')", JobError, "refused: no such partition"),
        (1, "FAILED (remote: 'not allowed when locked')", InfrastructureError, "when locked"),
        (1, "FAILED (remote: data too large)", JobError, "refused: data too large"),
        (0, "getvar:x FAILED (remote: 'no')\nFinished.", InfrastructureError, "refused: no"),
        (1, "FAILED (Status read failed (No such device))", InfrastructureError, "with code 1: "),
        (
            1,
            "error: don't care size 1 is not a multiple of the block size",
            JobError,
            "multiple of 4096",
        ),
    ],
)
def test_last_words_say_who_must_act(code: int, said: str, kind: type, message: str) -> None:
    error = failure_of(Finished(code, said), "flash x y", is_of_job=False)
    assert type(error) is kind
    assert message in str(error)


def test_good_words_are_no_failure() -> None:
    said = "Sending 'boot' (1 KB)  OKAY [  0.000s]\nWriting 'boot'  OKAY\nFinished."
    assert failure_of(Finished(0, said), "flash boot x", is_of_job=False) is None


def test_options_that_clients_do_not_know_any_more_are_left_out() -> None:
    made = session({**GOOD, "fastboot_options": ["-i", "0x0525", "-S", "256M", "-u"]})
    client = client_of(work(made))
    client.run("fastboot-reboot", "reboot")
    assert made.commands == [("fastboot", "-s", "191c51d6", "-S", "256M", "reboot")]


def test_a_serial_that_is_not_set_is_detected() -> None:
    device = {**GOOD, "fastboot_serial_number": "0000000000", "fastboot_auto_detection": True}
    made = session(device, finish=Finished(0, "c0ffee\tfastboot\n"))
    assert client_of(work(made)).serial == "c0ffee"


def test_two_devices_in_fastboot_mode_cannot_be_told_apart() -> None:
    device = {**GOOD, "fastboot_serial_number": "0000000000", "fastboot_auto_detection": True}
    made = session(device, finish=Finished(0, "a\tfastboot\nb\tfastboot\n"))
    with pytest.raises(InfrastructureError, match="there are: a, b"):
        client_of(work(made))


def test_a_device_without_power_is_rebooted_by_adb() -> None:
    made = session({**GOOD, "can_reset": False}, power=FakePower(resets=False))
    assert enter(work(made), BootParameters()) is None
    assert made.commands == [
        ("fastboot", "devices"),
        ("adb", "-s", "191c51d6", "reboot", "bootloader"),
    ]


def test_a_device_that_is_in_fastboot_mode_is_left_there() -> None:
    finish = Finished(0, "191c51d6\tfastboot\n")
    made = session({**GOOD, "can_reset": False}, power=FakePower(resets=False), finish=finish)
    enter(work(made), BootParameters())
    assert made.commands == [("fastboot", "devices")]


def test_a_device_without_power_and_adb_serial_is_badly_configured() -> None:
    device = {**GOOD, "adb_serial_number": "0000000000"}
    made = session(device, power=FakePower(resets=False))
    with pytest.raises(ConfigurationError, match="neither power control nor"):
        enter(work(made), BootParameters())


def test_a_prompt_of_the_device_is_answered() -> None:
    device = {**GOOD, "interrupt_prompt": "Android Fastboot mode", "interrupt_string": "x"}
    made = session(device)
    made.consoles["serial"].say(b"Android Fastboot mode - version 0.5\r\n")
    assert enter(work(made), BootParameters()) is not None
    assert made.power.calls == ["reset"]
    assert made.consoles["serial"].sent == [b"x"]
