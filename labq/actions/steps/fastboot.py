"""The fastboot client at work on one device, and how a device comes into fastboot mode.

The client waits for ever, whatever happens: only labq's own deadlines end it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labq.actions.parameters import BootBlock
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.emulator import emulator_of_dictionary
from labq.actions.steps.fastboot_words import failure_of
from labq.actions.steps.loader_boot import UBOOT, loader_of, power_up
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError, InfrastructureError, Problem
from labq.hw.expect import Expect, alternative

UNSET = "0000000000"
_LOOK_SECONDS = 0.5
_DETECTED = re.compile(r"^(\S+)\s+fastboot\b", re.MULTILINE)
_DROPPED_OPTIONS: Mapping[str, int] = {"-i": 1, "-u": 0}
"""Options that today's clients do not know any more, with how many words follow them."""


def check_device(device: Mapping[str, object]) -> Iterator[Problem]:
    """Yield what a dictionary lacks for fastboot; `device` is its part for the method."""
    detects = device.get("fastboot_auto_detection") is True
    serial = device.get("fastboot_serial_number")
    if serial is None:
        yield Problem(path="", message="the device has no fastboot_serial_number")
    elif _is_unset(serial) and not detects:
        yield Problem(path="", message="the device's fastboot_serial_number is not set")
    if device.get("fastboot_options") is None:
        yield Problem(path="", message="the device has no fastboot_options")
    if device.get("fastboot_via_uboot") is True:
        if not _uboot_commands(device):
            yield Problem(
                path="",
                message="the device goes to fastboot by U-Boot, but names no commands in "
                "actions.deploy.methods.u-boot.parameters.fastboot",
            )
    elif not device.get("can_reset") and _is_unset(device.get("adb_serial_number")):
        yield Problem(path="", message="the device has neither hard_reset nor an adb_serial_number")


def _is_unset(serial: object) -> bool:
    return str(serial or UNSET).strip() == UNSET


@dataclass(frozen=True, slots=True)
class Client:
    """The host's fastboot program with the serial and options of one device."""

    work: Work
    serial: str
    options: tuple[str, ...]

    def run(self, action: str, *words: str, is_of_job: bool = False) -> None:
        """Run one command as the inner action and case `action`.

        Raises JobError for what the device refuses of the job, InfrastructureError otherwise.
        """
        argv = ("fastboot", "-s", self.serial, *self.options, *words)
        with self.work.action(action, case=True) as deadline:
            self.work.info(f"$ {' '.join(argv)}")
            finished = self.work.session.run(argv, deadline)
            for line in finished.output.splitlines():
                self.work.debug(line)
            if error := failure_of(finished, " ".join(words), is_of_job=is_of_job):
                raise error


def client_of(work: Work) -> Client:
    """Return the client for this step's device."""
    device = work.session.step.device
    serial = str(device.get("fastboot_serial_number") or UNSET)
    if _is_unset(serial):
        serial = _detect(work)
    return Client(work, serial, tuple(_known_options(work, texts(device.get("fastboot_options")))))


def _known_options(work: Work, options: Sequence[str]) -> Iterator[str]:
    words = iter(options)
    for word in words:
        if word not in _DROPPED_OPTIONS:
            yield word
            continue
        for _ in range(_DROPPED_OPTIONS[word]):
            next(words, None)
        work.info(f"fastboot option {word} is left out: clients of today do not know it")


def _detect(work: Work) -> str:
    """Return the serial of the one device that is in fastboot mode on this host."""
    with work.action("detect-fastboot-device") as deadline:
        while True:
            output = work.session.run(("fastboot", "devices"), deadline).output
            found = _DETECTED.findall(output)
            if len(found) == 1:
                work.info(f"found {found[0]} in fastboot mode")
                return str(found[0])
            if found or deadline.is_over():
                raise InfrastructureError(
                    f"one device must be in fastboot mode, there are: {', '.join(found) or 'none'}"
                )
            threading.Event().wait(min(_LOOK_SECONDS, deadline.remaining()))


def enter(work: Work, parameters: BootBlock) -> Expect | None:
    """Bring the device into fastboot mode; returns its console where it was opened for that.

    By its power, at U-Boot's prompt, or, where it has no power, by adb from the running system.
    """
    device = work.session.step.device
    if device.get("fastboot_via_uboot") is True:
        return _enter_by_uboot(work, parameters)
    if emulator_of_dictionary(work) is not None or work.session.power.can_reset():
        expect = power_up(work, parameters, reset=True)
        interrupt(work, expect)
        return expect
    _enter_by_adb(work)
    return None


def interrupt(work: Work, expect: Expect) -> None:
    """Wait for the device's own fastboot prompt and answer it, where the dictionary names one."""
    device = work.session.step.device
    prompt = device.get("interrupt_prompt")
    if not prompt:
        return
    with work.action("wait-fastboot-interrupt") as deadline:
        if expect.wait([alternative("prompt", str(prompt))], deadline) is None:
            last = expect.tail() or "nothing"
            raise InfrastructureError(f"{prompt!r} never came; last on the console: {last}")
        expect.send(str(device.get("interrupt_string") or " ").encode())


def _enter_by_uboot(work: Work, parameters: BootBlock) -> Expect:
    """Stop U-Boot and let it enter fastboot; its last command does not come back."""
    with work.action("uboot-enter-fastboot"):
        expect = power_up(work, parameters, reset=True)
        part = lookup(work.session.step.device, "u-boot")
        known = part if isinstance(part, Mapping) else {}
        loader = replace(loader_of(work, expect, parameters, UBOOT, part=known), final_message="")
        loader.interrupt()
        loader.send(_uboot_commands(work.session.step.device))
        return expect


def _uboot_commands(device: Mapping[str, object]) -> list[str]:
    return texts(lookup(device, "u-boot", "parameters", "fastboot", "commands"))


def _enter_by_adb(work: Work) -> None:
    """Ask the running system to reboot into its boot loader, unless the device is there already."""
    serial = str(work.session.step.device.get("adb_serial_number") or UNSET)
    if _is_unset(serial):
        raise ConfigurationError(
            f"{work.session.plan.device} has neither power control nor an adb_serial_number"
        )
    with work.action("enter-fastboot-action") as deadline:
        listed = work.session.run(("fastboot", "devices"), deadline).output
        if str(work.session.step.device.get("fastboot_serial_number")) in listed.split():
            work.info("the device is in fastboot mode")
            return
        finished = work.session.run(("adb", "-s", serial, "reboot", "bootloader"), deadline)
        if finished.returncode:
            raise InfrastructureError(
                f"adb -s {serial} reboot bootloader ended with {finished.returncode}: "
                f"{finished.output.strip()}"
            )
