"""Boots that stop a boot loader and have it fetch and start a kernel, whichever loader it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labq.actions.parameters import BootBlock, BootParameters
from labq.actions.steps.bootloader import Bootloader
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import UBOOT_FINAL, UBOOT_INTERRUPT, constant, lookup, texts
from labq.actions.steps.emulator import emulator_of_dictionary, start_device
from labq.actions.steps.loader_commands import boot_script, substituted
from labq.actions.steps.login import Login
from labq.actions.steps.power import connect
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.domain.errors import Problem
from labq.hw.expect import Expect


@dataclass(frozen=True, slots=True)
class Dialect:
    """What a boot loader says and wants to hear, where the dictionary says nothing else.

    `key` is its name in the dictionary; `interrupt` is followed by a line feed with `newline`.
    """

    key: str
    interrupt_prompt: str
    interrupt: str
    newline: bool
    prompt: str
    final: str = ""


UBOOT = Dialect("u-boot", UBOOT_INTERRUPT, " ", True, "=> ", UBOOT_FINAL)
BAREBOX = Dialect("barebox", "stop autoboot", " ", True, ":/", UBOOT_FINAL)
IPXE = Dialect("ipxe", "Press Ctrl-B for the iPXE command line", "\x02", False, "iPXE>")
GRUB = Dialect("grub", "for a command-line", "c", False, "grub>")
GRUB_EFI = Dialect("grub-efi", "for a command-line", "c", False, "grub>")
DIALECTS: Mapping[str, Dialect] = {one.key: one for one in (UBOOT, BAREBOX, IPXE, GRUB, GRUB_EFI)}


def set_problems(commands: str | list[str], device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of a command set with what the device has."""
    if not isinstance(commands, str) or isinstance(device.get(commands), Mapping):
        return []
    known = ", ".join(sorted(key for key in device if key != "parameters")) or "none"
    message = f"the device has no set {commands!r}, it has: {known}"
    return [Problem(path="commands", message=message)]


def commands_of(work: Work, commands: str | list[str]) -> list[str]:
    """Return the lines of the job, or of the device's set that it names."""
    if isinstance(commands, list):
        return commands
    return texts(lookup(work.session.step.device, commands, "commands"))


def boot_lines(work: Work, commands: str | list[str], *, as_script: bool = False) -> list[str]:
    """Bring the overlay, and return what is typed then: the lines, or what starts them as a script."""
    bring_overlay(work, fetch=True)
    lines = substituted(work.session, commands_of(work, commands))
    return boot_script(work.session, lines) if as_script else lines


def power_up(work: Work, parameters: BootBlock, *, reset: bool) -> Expect:
    """Start the device, or the emulator that is the device; return its console."""
    machine = emulator_of_dictionary(work)
    if machine is not None:
        return start_device(work, machine)
    return connect(work, parameters, reset=reset)


def boot(
    work: Work,
    parameters: BootParameters,
    dialect: Dialect,
    lines: Sequence[str],
    *,
    reset: bool,
) -> None:
    """Stop the loader, send it the lines, log in to what they start."""
    expect = power_up(work, parameters, reset=reset)
    loader = loader_of(work, expect, parameters, dialect)
    loader.interrupt()
    if bank := _other_bank(work):
        loader.restart(bank)
        loader.interrupt()
    loader.send(lines)
    Login(work, expect, parameters, loader.errors).run()
    transfer_overlay(work, expect, parameters)


def _other_bank(work: Work) -> str:
    """Return the line that starts U-Boot from its other flash bank, where that is to be booted."""
    said = lookup(work.session.step.device, "parameters")
    if not isinstance(said, Mapping) or not said.get("uboot_altbank"):
        return ""
    return str(said.get("uboot_altbank_cmd") or "reset")


def loader_of(
    work: Work,
    expect: Expect,
    parameters: BootBlock,
    dialect: Dialect,
    *,
    part: Mapping[str, object] | None = None,
) -> Bootloader:
    """Return the boot loader of the device, as its dictionary and the job describe it.

    `part` is what the dictionary says of it, by default under the method that runs.
    """
    session = work.session
    found = lookup(session.step.device if part is None else part, "parameters")
    said: Mapping[str, object] = found if isinstance(found, Mapping) else {}

    final = parameters.parameters.bootloader_final_message
    if final is None:
        final = constant(session, dialect.key, "final-message")
    return Bootloader(
        work,
        expect,
        prompt=str(said.get("bootloader_prompt") or dialect.prompt),
        interrupt_prompt=str(
            said.get("interrupt_prompt")
            or constant(session, dialect.key, "interrupt-prompt")
            or dialect.interrupt_prompt
        ),
        interrupt_text=_interrupt_text(work, said, dialect),
        needs_interrupt=said.get("needs_interrupt") is not False,
        final_message=dialect.final if final is None else final,
        errors=texts(lookup(session.plan.dictionary, "constants", dialect.key, "error-messages")),
    )


def _interrupt_text(work: Work, said: Mapping[str, object], dialect: Dialect) -> str:
    """Return what stops the loader: control characters by their letters, or what the device says."""
    constants = lookup(work.session.plan.dictionary, "constants", dialect.key)
    known = constants if isinstance(constants, Mapping) else {}
    letters = "".join(texts(known.get("interrupt_ctrl_list")))
    if letters:
        return "".join(chr(ord(letter.upper()) & 0x1F) for letter in letters)
    text = said.get("interrupt_char") or said.get("interrupt_character")
    text = str(text or known.get("interrupt-character") or dialect.interrupt)
    newline = known.get("interrupt-newline", dialect.newline)
    return text if newline is False else text + "\n"
