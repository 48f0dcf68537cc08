"""Serial ports that come and go with the board's power, and come back under another name."""

from __future__ import annotations

import fcntl
import os
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Thread

import pytest

from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.plan import ConsoleSpec, Plan
from labq.hw.console import ConsoleClosedError
from tests.integration.bench_lab import Lab, a_lab, a_plan, read_until, until


@dataclass
class Port:
    """A serial port whose link comes and goes as udev's do; `main` is the board's end of it."""

    path: Path
    main: int = -1
    files: list[int] = field(default_factory=list)

    def come(self) -> None:
        """Have the port appear, each time as another device."""
        self.main, other = os.openpty()
        self.files += [self.main, other]
        link = self.path.with_suffix(".new")
        link.symlink_to(os.ttyname(other))
        link.rename(self.path)

    def go(self) -> None:
        """Have it disappear, as with the board's power."""
        self.path.unlink()
        for file in self.files:
            os.close(file)
        self.files.clear()

    def say(self, text: bytes) -> None:
        os.write(self.main, text)

    def hear(self, text: bytes) -> None:
        """Wait until the board has got this."""
        heard = b""
        while text not in heard:
            heard += os.read(self.main, 1000)

    @property
    def speed(self) -> int:
        return termios.tcgetattr(self.main)[5]


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Port]:
    made = Port(tmp_path / "by-path")
    yield made
    for file in made.files:
        os.close(file)


def test_a_port_that_comes_with_the_power_is_waited_for(lab: Lab, port: Port) -> None:
    lab.announce(_plan(port, "?baud=9600"))
    boot = lab.step(1, 0)
    console = boot.console()
    until(lambda: _said(lab, f"waits for serial port {port.path}"))
    assert console.read(Deadline.after(0.1)) is None
    port.come()
    until(lambda: _said(lab, f"serial port {port.path} is there, as /dev/pts/"))
    port.say(b"U-Boot 2026\r\n=> ")
    read_until(console, b"=> ")
    console.send(b"boot\n")
    port.hear(b"boot\n")
    assert port.speed == termios.B9600
    boot.release()


def test_a_port_that_goes_and_comes_back_as_another_is_opened_again(lab: Lab, port: Port) -> None:
    port.come()
    lab.announce(_plan(port, "?baud=9600"))
    boot = lab.step(1, 0)
    console = boot.console()
    port.say(b"before\n")
    read_until(console, b"before")
    port.go()
    until(lambda: _said(lab, f"serial port {port.path} is gone"))
    port.come()
    until(lambda: _said(lab, "is there, as /dev/pts/"))
    port.say(b"after\n")
    read_until(console, b"after")
    console.send(b"yes\n")
    port.hear(b"yes\n")
    assert port.speed == termios.B9600
    boot.release()


def test_what_is_sent_while_the_port_is_away_reaches_the_board_when_it_is_back(
    lab: Lab, port: Port
) -> None:
    lab.announce(_plan(port))
    boot = lab.step(1, 0)
    console = boot.console()
    sending = Thread(target=console.send, args=(b"hello\n",))
    sending.start()
    until(lambda: _said(lab, "waits for serial port"))
    port.come()
    port.hear(b"hello\n")
    sending.join(10)
    assert not sending.is_alive()
    boot.release()


def test_a_port_that_never_comes_ends_the_console_and_is_a_fault_of_the_board(
    lab: Lab, port: Port
) -> None:
    plan = _plan(port)
    first = plan.steps[0]
    timeouts = replace(first.timeouts, actions={"connect-device": 0.3})
    plan = replace(plan, steps=(replace(first, timeouts=timeouts), *plan.steps[1:]))
    lab.announce(plan)
    boot = lab.step(1, 0)
    console = boot.console()
    with pytest.raises(ConsoleClosedError, match=r"is not there after 0[.]3 s: it does not exist"):
        console.read(Deadline.after(20))
    with pytest.raises(InfrastructureError, match="is closed"):
        console.send(b"x")
    boot.release()
    lab.announce(plan, epoch=2, following=2)
    last = lab.step(1, 2, epoch=2)
    last.end()
    last.release()
    (end,) = until(lambda: [one for one in lab.of_kind(1, "ended") if one.next is None])
    assert f"serial port {port.path} is not there" in end.device_fault


def test_a_port_that_is_away_is_waited_for_by_the_next_bench_too(lab: Lab, port: Port) -> None:
    lab.announce(_plan(port))
    boot = lab.step(1, 0)
    console = boot.console()
    until(lambda: _said(lab, "waits for serial port"))
    lab.kill_bench()
    lab.start_bench()
    port.come()
    until(lambda: _said(lab, "is there, as /dev/pts/"))
    port.say(b"still here\n")
    read_until(console, b"still here")
    boot.release()


def test_a_port_that_somebody_else_has_open_is_refused(lab: Lab, port: Port) -> None:
    port.come()
    with port.path.open("r+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        lab.announce(_plan(port))
        boot = lab.step(1, 0)
        with pytest.raises(InfrastructureError, match="exclusively lock"):
            boot.console()
        boot.release()


def _plan(port: Port, query: str = "") -> Plan:
    console = ConsoleSpec(channel="main", kind="url", url=f"{port.path}{query}")
    return a_plan(1, consoles=(console,))


def _said(lab: Lab, text: str) -> bool:
    return any(text in message for message in lab.messages(1, "info"))
