"""Boots by depthcharge, by kexec from a shell, and from U-Boot's other flash bank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from labq.actions.boot import METHODS
from labq.domain.errors import JobError
from labq.domain.plan import ConsoleSpec, PowerSpec, Timeouts
from labq.hw.fake import FakeConsole, FakeSession, Say
from tests.unit.plans import plan, step

KERNEL = b"[    0.000000] Linux version 6.1.0\r\nroot@board:~# "


class Prompt:
    """Echoes, shows a prompt after each line, starts a kernel after those that begin with `go`."""

    def __init__(self, prompt: bytes, go: bytes, **answers: bytes) -> None:
        self.prompt, self.go, self.line = prompt, go, b""
        self.answers = answers

    def __call__(self, sent: bytes) -> Sequence[Say]:
        """Answer what is typed."""
        if sent == b" \n":
            return [Say(b"\r\n" + self.prompt)]
        if sent != b"\n":
            self.line = sent
            return [Say(sent)]
        if self.line.startswith(self.go):
            return [Say(b"\r\nStarting kernel ...\r\n" + KERNEL)]
        answer = self.answers.get(self.line.decode().split()[0], b"")
        return [Say(b"\r\n" + answer + (b"" if answer else self.prompt))]


def _session(
    block: Mapping[str, object],
    console: FakeConsole,
    device: Mapping[str, object] | None = None,
    images: Mapping[str, str] | None = None,
) -> FakeSession:
    timeouts = Timeouts(block=120.0, action=120.0, connection=60.0)
    made = step(str(block["method"]), block, device=device or {}, timeouts=timeouts)
    consoles = (ConsoleSpec(channel="serial", kind="url", url="socket://host:1"),)
    dictionary = {"host_address": "127.0.0.1"}
    whole = plan([made], dictionary, consoles=consoles, power=PowerSpec(kind="command"))
    session = FakeSession(whole, made, consoles={"serial": console})
    session.memory["images"] = dict(images or {})
    return session


def _run(session: FakeSession) -> list[str]:
    (method,) = [one for one in METHODS if one.name == session.step.method]
    assert method.run is not None
    parameters = method.parameters.model_validate(dict(session.step.parameters))
    assert method.check(parameters, session.step.device) == []
    method.run(session, parameters)
    return [text.decode() for text in session.console().sent]


CHROMEBOOK = {
    "parameters": {"start_message": "Starting netboot", "bootloader_prompt": "dpch:"},
    "ramdisk": {
        "cmdline": "console=ttyS0 root=/dev/ram0 server={SERVER_IP}",
        "commands": ["tftpboot {SERVER_IP} {DEPTHCHARGE_KERNEL} {CMDLINE} {DEPTHCHARGE_RAMDISK}"],
    },
}


@pytest.mark.parametrize(
    ("labels", "files"),
    [
        (("kernel", "ramdisk"), "kernel/Image {} ramdisk/rd"),
        (("kernel", "ramdisk", "fit"), "kernel/image.itb {}"),
        (("kernel",), "kernel/Image {}"),
    ],
)
def test_depthcharge_fetches_the_kernel_and_a_file_with_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: Sequence[str], files: str
) -> None:
    monkeypatch.setenv("LABQ_HOST_FOLDER", str(tmp_path))
    root = tmp_path / "tftp" / "board-01"
    names = {"kernel": "kernel/Image", "ramdisk": "ramdisk/rd", "fit": "kernel/image.itb"}
    for label in labels:
        (root / names[label]).parent.mkdir(parents=True, exist_ok=True)
        (root / names[label]).touch()
    console = FakeConsole([b"Starting netboot on x...\r\ndpch: "], Prompt(b"dpch: ", b"tftpboot"))
    block = {
        "method": "depthcharge",
        "commands": "ramdisk",
        "extra_kernel_args": "debug",
        "prompts": ["root@board"],
    }
    images = {label: str(root / names[label]) for label in labels}
    line, end = _run(_session(block, console, CHROMEBOOK, images))
    assert (line, end) == (f"tftpboot 127.0.0.1 {files.format('kernel/cmdline')}", "\n")
    arguments = (root / "kernel" / "cmdline").read_text()
    assert arguments == "console=ttyS0 root=/dev/ram0 server=127.0.0.1 debug"


def test_depthcharge_wants_a_set_with_arguments_and_a_kernel() -> None:
    (method,) = [one for one in METHODS if one.name == "depthcharge"]
    parameters = method.parameters.model_validate({"commands": ["tftpboot"]})
    (problem,) = method.check(parameters, CHROMEBOOK)
    assert "must name a set of the device" in problem.message
    block = {"method": "depthcharge", "commands": "ramdisk", "prompts": ["root@board"]}
    with pytest.raises(JobError, match="needs a deploy to tftp"):
        _run(_session(block, FakeConsole(), CHROMEBOOK))
    bare = {"ramdisk": {"commands": ["tftpboot"]}}
    with pytest.raises(JobError, match="no cmdline for 'ramdisk'"):
        _run(_session(block, FakeConsole(), bare))


def _kexec(**keys: object) -> FakeSession:
    block = {
        "method": "kexec",
        "boot_message": "Starting kernel",
        "prompts": ["root@board"],
        **keys,
    }
    go = b"echo c" if keys.get("on_panic") else b"/sbin/kexec -e"
    session = _session(block, FakeConsole([], Prompt(b"old# ", go)))
    session.memory["prompts"] = ["old# "]
    return session


def test_kexec_loads_and_starts_a_kernel_from_the_shell_of_the_boot_before() -> None:
    session = _kexec(
        kernel="/k", initrd="/i", dtb="/d", options=["--append=x"], **{"kernel-config": "/proc/c"}
    )
    load = "/sbin/kexec --load /k --dtb /d --initrd /i --append=x"
    assert _run(session)[::2] == ["zgrep -i kexec /proc/c |grep -v '^#'", load, "/sbin/kexec -e"]
    assert session.power.calls == []
    assert session.memory["prompts"] == ["root@board"]


def test_kexec_for_a_crash_loads_the_kernel_for_one_and_crashes() -> None:
    sent = _run(_kexec(kernel="/k", on_panic=True))
    assert sent[::2] == ["/sbin/kexec --load-panic /k", "echo c > /proc/sysrq-trigger"]


def test_kexec_fetches_what_a_deploy_brought(tmp_path: Path) -> None:
    (tmp_path / "Image").touch()
    session = _kexec(kernel="/k", deploy=True)
    session.memory["images"] = {"kernel": str(tmp_path / "Image")}
    fetch = _run(session)[0]
    assert fetch.startswith("wget http://127.0.0.1:")
    assert fetch.endswith("/Image -O /k")
    with pytest.raises(JobError, match="no deploy before this boot has brought kernel"):
        _run(_kexec(kernel="/k", deploy=True))


def test_kexec_wants_a_shell_and_something_to_load() -> None:
    session = _kexec(kernel="/k")
    session.memory = {}
    with pytest.raises(JobError, match="needs a boot before it"):
        _run(session)
    (method,) = [one for one in METHODS if one.name == "kexec"]
    parameters = method.parameters.model_validate({"boot_message": "x"})
    assert [one.path for one in method.check(parameters, {})] == ["kernel"]


def test_u_boot_is_started_again_from_its_other_bank_before_its_lines() -> None:
    said = {"bootloader_prompt": "=> ", "uboot_altbank": True, "uboot_altbank_cmd": "reset bank2"}
    anew = b"U-Boot 2023.01\r\nHit any key to stop autoboot:  2 "
    console = FakeConsole([anew], Prompt(b"=> ", b"booti", reset=anew))
    block = {"method": "u-boot", "commands": ["dhcp", "booti"], "prompts": ["root@board"]}
    sent = _run(_session(block, console, {"parameters": said}))
    assert sent == [" \n", "reset bank2", "\n", " \n", "dhcp", "\n", "booti", "\n"]
