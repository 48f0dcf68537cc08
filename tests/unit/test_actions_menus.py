"""Boots through menus of UEFI: entries by their labels, its shell, GRUB behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from labq.actions.boot import METHODS
from labq.actions.steps.menu import Layout
from labq.domain.errors import ConfigurationError, JobError
from labq.domain.plan import ConsoleSpec, PowerSpec, Timeouts
from labq.hw.fake import FakeConsole, FakeSession, Say
from tests.unit.plans import plan, step

KERNEL = b"[    0.000000] Linux version 6.1.0\r\nroot@board:~# "
LAYOUT = {"item_markup": ["[", "]"], "item_class": "0-9", "separator": " "}
STOP = {"interrupt_prompt": "will start in", "interrupt_string": " "}
MENU = {"parameters": {**LAYOUT, **STOP, "bootloader_prompt": "Start:"}}
SHOWN = b"\r\n[1] Boot eMMC\r\n[2] Shell\r\n[3] Boot Manager\r\nStart: "


class Firmware:
    """Says of each text that is sent what comes next; the last answer starts a kernel."""

    def __init__(self, **answers: bytes) -> None:
        self.answers = {key.encode(): value for key, value in answers.items()}

    def __call__(self, sent: bytes) -> Sequence[Say]:
        """Answer what is typed."""
        for text, answer in self.answers.items():
            if sent == text:
                return [Say(answer)]
        return [Say(sent)] if sent.strip() else []


def _session(
    method: str, device: Mapping[str, object], answers: Mapping[str, bytes], **keys: object
) -> FakeSession:
    block = {"method": method, "prompts": ["root@board"], **keys}
    timeouts = Timeouts(block=120.0, action=120.0, connection=60.0)
    made = step(method, block, device=device, timeouts=timeouts)
    dictionary = {
        "host_address": "10.0.2.2",
        "actions": {"boot": {"methods": {"uefi-menu": {**MENU, **keys_of(device)}}}},
        "commands": {"pre_os_command": "hub off"},
    }
    consoles = (ConsoleSpec(channel="serial", kind="url", url="socket://host:1"),)
    whole = plan([made], dictionary, consoles=consoles, power=PowerSpec(kind="command"))
    console = FakeConsole([b"Boot will start in 3 seconds"], Firmware(**answers))
    session = FakeSession(whole, made, consoles={"serial": console})
    session.memory["images"] = {"kernel": "/usr"}
    return session


def keys_of(device: Mapping[str, object]) -> Mapping[str, object]:
    """Return what a GRUB behind a menu says of the menu."""
    found = device.get("menu")
    return found if isinstance(found, Mapping) else {}


def _run(session: FakeSession) -> list[bytes]:
    (method,) = [one for one in METHODS if one.name == session.step.method]
    assert method.run is not None
    parameters = method.parameters.model_validate(dict(session.step.parameters))
    assert method.check(parameters, session.step.device) == []
    method.run(session, parameters)
    return session.console().sent


ENTRIES = [
    {"select": {"items": ["Boot Manager"], "wait": "Choice:"}},
    {"select": {"items": ["Remove It"], "fallback": "Return to Main Menu", "wait": "Path:"}},
    {"select": {"enter": "{SERVER_IP} {KERNEL}", "wait": "Name:"}},
    {"select": {"enter": "{TEST_MENU_NAME}", "wait": "Start:"}},
    {"select": {"escape": None, "wait": "Start:"}},
    {"select": {"items": ["LAVA nfs test image"]}},
]


def test_entries_of_a_menu_are_picked_by_label_whatever_their_numbers() -> None:
    named = b"\r\n[7] LAVA nfs test image\r\n[2] Shell\r\nStart: "
    answers = {
        " ": SHOWN,
        "3\r\n": b"\r\n[1] Add Entry\r\n[5] Return to Main Menu\r\nChoice: ",
        "5\r\n": b"\r\nPath: ",
        "10.0.2.2 /usr\r": b"\r\nName: ",
        "LAVA nfs test image\r": SHOWN,
        "\x1b": named,
        "7\r\n": b"Loaded: LinuxImage\r\n" + KERNEL,
    }
    device = {"parameters": {**MENU["parameters"], "boot_message": "Loaded:"}, "nfs": ENTRIES}
    session = _session("uefi-menu", device, answers, commands="nfs")
    assert _run(session) == [text.encode() for text in answers]
    assert session.power.calls == ["reset", "pre_os_command"]
    assert {one.case for one in session.results} >= {"login-action", "pre-os-command"}


def test_a_menu_without_the_entry_is_shown_to_the_submitter() -> None:
    device = {**MENU, "nfs": [{"select": {"items": ["Floppy"]}}]}
    session = _session("uefi-menu", device, {" ": SHOWN}, commands="nfs")
    with pytest.raises(JobError, match=r"no entry 'Floppy'; it shows: (?s:.*)Boot Manager"):
        _run(session)


@pytest.mark.parametrize(
    "device",
    [
        {**MENU, "nfs": [{"select": {"press": "x"}}]},
        {**MENU, "nfs": ["boot"]},
        {**MENU, "nfs": [], "line_separator": "mac"},
        {"parameters": STOP, "nfs": []},
        {"parameters": LAYOUT, "nfs": []},
    ],
)
def test_a_menu_that_a_dictionary_describes_badly_is_the_labs_error(
    device: Mapping[str, object],
) -> None:
    with pytest.raises(ConfigurationError):
        _run(_session("uefi-menu", device, {" ": SHOWN}, commands="nfs"))


def test_a_set_that_is_not_there_is_named() -> None:
    (method,) = [one for one in METHODS if one.name == "uefi-menu"]
    parameters = method.parameters.model_validate({"commands": "usb"})
    (problem,) = method.check(parameters, {**MENU, "nfs": []})
    assert problem.message == "the device has no entries 'usb', it has: nfs"


def test_the_latest_menu_counts_and_labels_must_be_whole() -> None:
    layout = Layout(("[", "]"), "0-9", " ")
    assert layout.number("[1] Shell\n[2] Shell\n", "Shell") == "2"
    assert layout.number("[1] Shell v2\n", "Shell") is None


def test_the_shell_of_uefi_is_picked_stopped_and_told_lines_with_its_own_ends() -> None:
    said = {
        **MENU["parameters"],
        "bootloader_prompt": "Shell>",
        "menu_prompt": "Start:",
        "menu_boot_message": "Interactive",
        "shell_menu": "shell",
        "shell_interrupt_prompt": "any other key",
        "shell_interrupt_string": "x",
    }
    device = {
        "parameters": said,
        "shell": [{"select": {"items": ["Shell"]}}],
        "nfs": {"commands": ["map", "kernel {KERNEL}", "dtb {DTB}"]},
    }
    answers = {
        " ": SHOWN,
        "2\r\n": b"UEFI Interactive Shell\r\nPress any other key to continue",
        "x": b"\r\nShell> ",
        "map": b"map\r\nFS0:\r\nShell> ",
        "kernel /usr": b"kernel /usr\r\n" + KERNEL,
    }
    session = _session("uefi", device, answers, commands="nfs")
    assert _run(session) == [b" ", b"2\r\n", b"x", b"map", b"\r\n", b"kernel /usr", b"\r\n"]


def test_grub_behind_a_menu_is_picked_there_first() -> None:
    options = {"menu_options": "grub", "grub": [{"select": {"items": ["Boot eMMC"]}}]}
    device = {
        "menu": options,
        "reset_device": False,
        "ramdisk": {"commands": ["boot"]},
    }
    answers = {
        " ": SHOWN,
        "1\r\n": b"press 'c' for a command-line",
        "c": b"\r\ngrub> ",
        "boot": b"boot\r\n" + KERNEL,
    }
    session = _session("grub-efi", device, answers, commands="ramdisk")
    assert _run(session) == [b" ", b"1\r\n", b"c", b"boot", b"\n"]
    assert session.power.calls == []
