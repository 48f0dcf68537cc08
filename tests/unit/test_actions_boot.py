"""Boots on a scripted console: login, kernel trouble, U-Boot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from typing_extensions import override

from labq.actions.boot import minimal, qemu, u_boot
from labq.actions.steps.bootloader import WIPE
from labq.domain.errors import InfrastructureError, JobError
from labq.domain.plan import ConsoleSpec, PowerSpec, Timeouts
from labq.domain.verdicts import Verdict
from labq.hw.fake import FakeConsole, FakePower, FakeSession, Say
from tests.unit.plans import plan, step

LOGIN = {"login_prompt": "login:", "username": "root"}
KERNEL = b"[    0.000000] Linux version 6.1.0\r\n"
URL_CONSOLE = (ConsoleSpec(channel="serial", kind="url", url="socket://host:1"),)
DICTIONARY: Mapping[str, object] = {
    "host_address": "10.0.2.2",
    "constants": {"u-boot": {"error-messages": ["TFTP error", "Bad Linux"]}},
    "parameters": {"booti": {"kernel": "0x4000", "ramdisk": "0x6000", "dtb": "0x5000"}},
}


def session(
    block: Mapping[str, object],
    console: FakeConsole,
    *,
    dictionary: Mapping[str, object] = DICTIONARY,
    device: Mapping[str, object] | None = None,
) -> FakeSession:
    """Return a session of one boot."""
    made = step(
        str(block["method"]),
        block,
        device=device or {},
        timeouts=Timeouts(block=120.0, action=120.0, connection=60.0),
    )
    whole = plan([made], dictionary, consoles=URL_CONSOLE, power=PowerSpec(kind="command"))
    return FakeSession(whole, made, consoles={"serial": console})


def boot_minimal(session: FakeSession) -> None:
    """Run the boot."""
    minimal.run(session, minimal.MinimalParameters.model_validate(dict(session.step.parameters)))


def verdicts(session: FakeSession) -> dict[str, Verdict]:
    """Return verdicts by case."""
    return {one.case: one.verdict for one in session.results}


def shell(sent: bytes) -> Sequence[Say]:
    """Answer as getty and a shell do."""
    answers = {
        b"root\n": b"root\r\nPassword: ",
        b"secret\n": b"\r\nroot@board:~# ",
        b"stty -echo\n": b"root@board:~# ",
        b"#\n": b"#\r\nroot@board:~# ",
    }
    return [Say(answers[sent], 0.1)] if sent in answers else []


def test_a_login_with_password_and_commands_reaches_the_prompt() -> None:
    console = FakeConsole([KERNEL, Say(b"board login: ", 20.0)], shell)
    login = {
        **LOGIN,
        "password_prompt": "Password:",
        "password": "secret",
        "login_commands": ["stty -echo"],
    }
    made = session({"method": "minimal", "auto_login": login, "prompts": "root@board"}, console)
    boot_minimal(made)
    assert console.sent == [b"root\n", b"secret\n", b"stty -echo\n"]
    assert made.power.calls == ["reset"]
    assert made.memory["prompts"] == ["root@board"]
    assert verdicts(made) == {"auto-login-action": Verdict.PASS, "kernel-messages": Verdict.PASS}


def test_a_silent_console_is_poked_until_the_prompt_comes() -> None:
    console = FakeConsole([KERNEL], shell)
    made = session({"method": "minimal", "prompts": ["root@board"]}, console)
    boot_minimal(made)
    assert console.sent == [b"#\n"]


def test_a_device_that_stays_silent_is_the_submitters_error_after_six_pokes() -> None:
    console = FakeConsole([KERNEL])
    made = session({"method": "minimal", "prompts": ["root@board"]}, console)
    with pytest.raises(JobError, match="login-action timed out after 120 seconds: no prompt"):
        boot_minimal(made)
    assert console.sent == [b"#\n"] * 6
    assert verdicts(made)["login-action"] is Verdict.FAIL


def test_a_panic_ends_the_boot_and_fails_kernel_messages() -> None:
    panic = b"[ 1.0] Kernel panic - not syncing: no init\r\nCPU: 0\r\n---[ end Kernel panic - x\r\n"
    made = session({"method": "minimal", "prompts": ["#"]}, FakeConsole([KERNEL, panic]))
    with pytest.raises(JobError, match="kernel panic: Kernel panic - not syncing: no init"):
        boot_minimal(made)
    (messages,) = [one for one in made.results if one.case == "kernel-messages"]
    assert messages.verdict is Verdict.FAIL
    assert "CPU: 0" in str(messages.details["extra"])


def test_trouble_is_recorded_and_the_boot_goes_on() -> None:
    trouble = (
        b"[ 1.0] WARNING: CPU: 0 PID: 1 at kernel/x.c:1\r\n[ 2.0] BUG: KASAN: bad\r\nroot@board"
    )
    made = session({"method": "minimal", "prompts": ["root@board"]}, FakeConsole([KERNEL, trouble]))
    boot_minimal(made)
    (messages,) = [one for one in made.results if one.case == "kernel-messages"]
    assert messages.verdict is Verdict.PASS
    extra = messages.details["extra"]
    assert [item["kind"] for item in extra] == ["warning", "kasan"]  # type: ignore[attr-defined]  # JSON


def test_trouble_may_be_ignored() -> None:
    panic = b"Kernel panic - not syncing: x\r\nroot@board"
    block = {"method": "minimal", "prompts": ["root@board"], "ignore_kernel_messages": True}
    made = session(block, FakeConsole([KERNEL, panic]))
    boot_minimal(made)
    assert verdicts(made)["kernel-messages"] is Verdict.PASS


@pytest.mark.parametrize(
    ("text", "extra"),
    [("Login incorrect", {}), ("Login timed out", {}), ("no disk", {"failure_message": "no disk"})],
)
def test_a_message_of_failure_ends_the_login(text: str, extra: Mapping[str, object]) -> None:
    console = FakeConsole([KERNEL, b"login: ", Say(text.encode(), 1.0)])
    block = {"method": "minimal", "auto_login": LOGIN, "prompts": ["root@board"], **extra}
    with pytest.raises(JobError, match=text):
        boot_minimal(session(block, console))


def test_a_device_without_power_is_rebooted_by_its_shell() -> None:
    def answer(sent: bytes) -> Sequence[Say]:
        if sent != b"reboot -n\n":
            return ()
        return [Say(b"The system is going down for reboot NOW\r\n" + KERNEL + b"root@board")]

    console = FakeConsole(answer=answer)
    made = session({"method": "minimal", "prompts": ["root@board"]}, console)
    made.power = FakePower(resets=False)
    boot_minimal(made)
    assert console.sent == [b"reboot\n", b"reboot -n\n"]


def test_power_that_fails_is_the_labs_error() -> None:
    made = session({"method": "minimal", "prompts": ["#"]}, FakeConsole([KERNEL]))
    made.power = FakePower(broken=["reset"])
    with pytest.raises(InfrastructureError, match="power command 'reset' failed"):
        boot_minimal(made)


class UBoot:
    """A boot loader that echoes and answers after each line; it may lose what is typed at first."""

    def __init__(self, broken: str = "", loses: int = 0) -> None:
        self.broken = broken.encode()
        self.loses = loses
        self.wipes = 1
        self.line = b""

    def __call__(self, sent: bytes) -> Sequence[Say]:
        """Answer what is typed."""
        if sent == b" \n":
            return [Say(b"\r\n=> \r\n=> ")]
        if sent == WIPE:
            self.wipes -= 1
            wiped = b"\b \b" * len(self.line) if self.wipes < 0 else b""
            self.line = self.line if not wiped else b""
            return [Say(wiped)] if wiped else []
        if sent != b"\n":
            arrived = sent.replace(b"i", b"") if self.loses else sent
            self.loses -= arrived != sent
            self.line += arrived
            return [Say(arrived)] if arrived else []
        self.line, line = b"", self.line
        if self.broken and self.broken in line:
            return [Say(b"\r\nTFTP error: 'File not found' (1)\r\n=> ")]
        if line.startswith(b"booti"):
            return [Say(b"\r\nStarting kernel ...\r\n\r\n" + KERNEL + b"root@board")]
        return [Say(b"\r\n"), Say(b"=> ", 2.0)]


def boot_uboot(commands: Sequence[str], loader: UBoot) -> tuple[FakeSession, FakeConsole]:
    """Boot by these commands."""
    console = FakeConsole([b"U-Boot 2023.01\r\nHit any key to stop autoboot:  2 "], loader)
    block = {"method": "u-boot", "commands": list(commands), "prompts": ["root@board"]}
    device = {"parameters": {"bootloader_prompt": "=> "}}
    made = session(block, console, device=device)
    u_boot.run(made, u_boot.UBootParameters.model_validate(block))
    return made, console


def test_u_boot_is_stopped_and_gets_one_line_after_each_prompt() -> None:
    _, console = boot_uboot(["dhcp", "booti 1 2 3"], UBoot())
    assert console.sent == [b" \n", b"dhcp", b"\n", b"booti 1 2 3", b"\n"]
    assert console.sent_at == [0.0, 0.0, 0.0, 2.0, 2.0]


def test_a_loader_that_tears_a_line_gets_it_sign_by_sign_each_until_it_is_seen() -> None:
    _, console = boot_uboot(["set i", "booti 1"], UBoot(loses=3))
    torn = [b" \n", b"set i", WIPE, WIPE]
    again = [b"s", b"e", b"t", b" ", b"i", b"i", b"i", b"\n"]
    last = [b"b", b"o", b"o", b"t", b"i", b" ", b"1", b"\n"]
    assert console.sent == [*torn, *again, *last]


def test_a_loader_that_loses_characters_whatever_is_done_is_the_labs_error() -> None:
    with pytest.raises(InfrastructureError, match="the boot loader never echoes b'i'"):
        boot_uboot(["setenv i 1"], UBoot(loses=99))


def test_a_loader_that_misses_being_stopped_is_stopped_again() -> None:
    class Deaf(UBoot):
        @override
        def __call__(self, sent: bytes) -> Sequence[Say]:
            if sent == b" \n" and self.loses:
                self.loses -= 1
                return []
            return super().__call__(sent)

    _, console = boot_uboot(["booti 1"], Deaf(loses=1))
    assert console.sent == [b" \n", b" \n", *[WIPE] * 5, b"booti 1", b"\n"]


def test_an_error_of_the_boot_loader_is_the_labs_error() -> None:
    with pytest.raises(InfrastructureError, match="boot loader failed: TFTP error"):
        boot_uboot(["tftp 1 kernel", "booti 1 2 3"], UBoot("tftp"))


def test_qemu_gets_the_dictionarys_words_and_the_images_arguments() -> None:
    images = {"kernel": {"url": "x", "image_arg": "-kernel {kernel} -append 'a {b} c'"}}
    deploy = step("tmpfs", {"images": images}, index=0)
    device = {"parameters": {"command": "qemu-x", "options": ["-m 256"], "extra": ["-a", "b c"]}}
    boot = step("qemu", {}, index=1, device=device)
    made = FakeSession(plan([deploy, boot]), boot, consoles={"serial": FakeConsole()})
    made.memory["images"] = {"kernel": "/usr"}
    words = qemu.command_line(made)
    assert words[:6] == ["qemu-x", "-m", "256", "-a", "b", "c"]
    assert words[6:] == ["-kernel", "/usr", "-append", "a {b} c"]
