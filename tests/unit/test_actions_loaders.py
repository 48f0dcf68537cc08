"""Boots by iPXE, GRUB and barebox, and stops at their prompts, on a scripted console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from labq.actions.boot import METHODS
from labq.domain.errors import InfrastructureError, JobError, TestError
from labq.domain.plan import ConsoleSpec, PowerSpec, Timeouts
from labq.hw.fake import FakeConsole, FakeSession, Say
from tests.unit.plans import plan, step

KERNEL = b"[    0.000000] Linux version 6.1.0\r\nroot@board:~# "
URL_CONSOLE = (ConsoleSpec(channel="serial", kind="url", url="socket://host:1"),)
GREETINGS = {
    "ipxe": b"iPXE 1.21\r\nPress Ctrl-B for the iPXE command line...",
    "grub": b"GNU GRUB  version 2.06\r\nPress enter to boot, 'c' for a command-line.\r\n",
    "barebox": b"barebox 2023\r\nHit m for menu or any other key to stop autoboot:  3",
}
PROMPTS = {"ipxe": b"iPXE> ", "grub": b"grub> ", "barebox": b"board:/ "}
STOPS = {"ipxe": b"\x02", "grub": b"c", "barebox": b" \n"}


class Loader:
    """A boot loader that echoes; after a line that begins with `boot` the kernel starts."""

    def __init__(self, name: str) -> None:
        self.name, self.line = name, b""

    def __call__(self, sent: bytes) -> Sequence[Say]:
        """Answer what is typed."""
        if sent == STOPS[self.name]:
            return [Say(b"\r\n" + PROMPTS[self.name])]
        if sent != b"\n":
            self.line = sent
            # A terminal breaks long lines.
            return [Say(sent[:7] + b"\r\n" + sent[7:])]
        if self.line.startswith((b"boot", b"chain")):
            return [Say(b"\r\nStarting kernel ...\r\n" + KERNEL)]
        return [Say(b"\r\nok\r\n" + PROMPTS[self.name])]


def _session(method: str, loader: str, folder: Path, **keys: object) -> FakeSession:
    block: Mapping[str, object] = {"method": method, "prompts": ["root@board"], **keys}
    device = {"ramdisk": {"commands": ["dhcp net0", "kernel {KERNEL}", "dtb {DTB}", "boot"]}}
    made = step(
        method, block, device=device, timeouts=Timeouts(block=120.0, action=120.0, connection=60.0)
    )
    dictionary: Mapping[str, object] = {
        "host_address": "10.0.2.2",
        "constants": {"ipxe": {"interrupt_ctrl_list": ["b"]}},
    }
    whole = plan([made], dictionary, consoles=URL_CONSOLE, power=PowerSpec(kind="command"))
    console = FakeConsole([GREETINGS[loader]], Loader(loader))
    session = FakeSession(whole, made, consoles={"serial": console}, folder=folder)
    session.memory["images"] = {"kernel": "/usr"}
    return session


def _run(session: FakeSession) -> list[bytes]:
    """Boot; return what was sent."""
    (method,) = [one for one in METHODS if one.name == session.step.method]
    assert method.run is not None
    method.run(session, method.parameters.model_validate(dict(session.step.parameters)))
    return session.console().sent


@pytest.mark.parametrize("name", ["ipxe", "grub", "barebox"])
def test_a_loader_is_stopped_in_its_way_and_gets_the_devices_lines(
    name: str, tmp_path: Path
) -> None:
    sent = _run(_session(name, name, tmp_path, commands="ramdisk"))
    typed = [b"dhcp net0", b"kernel /usr", b"boot"]
    assert sent == [STOPS[name], *(part for line in typed for part in (line, b"\n"))]


def test_grub_ends_at_what_the_job_waits_for_without_a_shell(tmp_path: Path) -> None:
    finished = {"boot_finished": ["Starting [a-z]+"], "expect_shell": False, "prompts": []}
    session = _session("grub", "grub", tmp_path, commands=["boot"], **finished)
    _run(session)
    assert "auto-login-action" not in {one.case for one in session.results}
    missing = _session(
        "grub", "grub", tmp_path, commands=["boot"], **{**finished, "boot_finished": ["never"]}
    )
    with pytest.raises((JobError, TestError, InfrastructureError), match="never came"):
        _run(missing)


def test_bootloader_stays_at_the_prompt_and_leaves_it_to_the_tests(tmp_path: Path) -> None:
    keys = {"bootloader": "barebox", "commands": ["version", "global"], "prompts": ["board:/"]}
    session = _session("bootloader", "barebox", tmp_path, **keys)
    assert _run(session) == [b" \n", b"version", b"\n", b"global", b"\n"]
    assert session.memory["prompts"] == ["board:/"]


def test_bootloader_knows_only_loaders_with_a_prompt() -> None:
    (method,) = [one for one in METHODS if one.name == "bootloader"]
    parameters = method.parameters.model_validate({"bootloader": "minimal", "prompts": ["x"]})
    (problem,) = method.check(parameters, {})
    assert problem.path == "bootloader"
    assert "u-boot, barebox, ipxe" in problem.message


def test_a_script_wants_a_tftp_deploy_before_it(tmp_path: Path) -> None:
    session = _session("ipxe", "ipxe", tmp_path, commands="ramdisk", use_bootscript=True)
    with pytest.raises(JobError, match="needs a deploy to tftp"):
        _run(session)


def test_ipxe_fetches_its_lines_as_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABQ_HOST_FOLDER", str(tmp_path))
    session = _session("ipxe", "ipxe", tmp_path, commands="ramdisk", use_bootscript=True)
    kernel = tmp_path / "tftp" / session.plan.device / "1" / "tftp-deploy-x" / "kernel" / "Image"
    kernel.parent.mkdir(parents=True)
    kernel.touch()
    session.memory["images"] = {"kernel": str(kernel)}
    uri = b"tftp://10.0.2.2/1/tftp-deploy-x/script.ipxe"
    assert _run(session) == [b"\x02", b"dhcp net0", b"\n", b"chain " + uri, b"\n"]
    script = kernel.parent.parent / "script.ipxe"
    lines = ["#!ipxe", "", "dhcp net0", "kernel 1/tftp-deploy-x/kernel/Image", "boot", ""]
    assert script.read_text().split("\n") == lines
