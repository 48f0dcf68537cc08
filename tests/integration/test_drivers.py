"""Every registered console and power driver against its fake."""

from __future__ import annotations

import os
import select
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from typing_extensions import override

from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.domain.plan import ConsoleSpec, PowerSpec
from labq.drivers.console import CONSOLES, pty_command, url
from labq.drivers.console.emulator_socket import accept, listen
from labq.drivers.power import POWERS, command
from labq.hw.driver import ConsoleDriver, Machine, Outlet, Place
from labq.hw.process import Process, Spawner, plain_environment
from tests.lab.waiting import until

FAKES = {"pty": pty_command.FAKE, "url": url.FAKE}


class LocalSpawner(Spawner):
    """Starts a process as a child of the test."""

    def __init__(self) -> None:
        self.pid = 0

    @override
    def spawn(self, key: str, process: Process) -> int:
        self.pid, file = os.forkpty()
        if not self.pid:
            os.execve(process.argv[0], process.argv, dict(process.environment))
        return file


class CountingMachine(Machine):
    """Says what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @override
    def start(self) -> None:
        self.told.append("start")

    @override
    def stop(self) -> None:
        self.told.append("stop")


def read_until(file: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        ready, _, _ = select.select([file], [], [], 10)
        assert ready, seen
        seen += os.read(file, 1000)
    return seen


def a_place(tmp_path: Path) -> Place:
    return Place(key="1/main", folder=tmp_path, spawner=LocalSpawner())


def an_outlet(spec: PowerSpec, machine: Machine | None = None, seconds: float = 10.0) -> Outlet:
    deadline = Deadline.after(seconds)
    return Outlet(spec=spec, machine=machine or CountingMachine(), deadline=deadline)


@pytest.mark.parametrize("driver", CONSOLES, ids=lambda driver: driver.kind)
@pytest.mark.filterwarnings("ignore:This process")
def test_a_console_answers(driver: ConsoleDriver, tmp_path):
    file = driver.open(FAKES[driver.kind], a_place(tmp_path))
    os.write(file, b"hello\n")
    assert b"hello" in read_until(file, b"hello")
    os.close(file)


@pytest.mark.parametrize("driver", CONSOLES, ids=lambda driver: driver.kind)
def test_a_console_without_its_setting_is_a_configuration_error(driver, tmp_path):
    spec = ConsoleSpec(channel="main", kind=driver.kind)
    with pytest.raises(ConfigurationError):
        driver.open(spec, a_place(tmp_path))


def test_a_url_may_be_a_socket_of_either_kind(tmp_path):
    path = tmp_path / "sock"
    with listen(path) as unix, socket.create_server(("127.0.0.1", 0)) as inet:
        urls = (f"unix://{path}", f"socket://127.0.0.1:{inet.getsockname()[1]}")
        for server, where in zip((unix, inet), urls, strict=True):
            file = url.UrlConsole().open(replace(url.FAKE, url=where), a_place(tmp_path))
            with server.accept()[0] as link:
                link.sendall(b"U-Boot")
                assert read_until(file, b"U-Boot") == b"U-Boot"
            assert os.read(file, 10) == b""
            os.close(file)


def test_a_serial_port_is_raw_and_has_its_speed(tmp_path):
    ours, theirs = os.openpty()
    spec = replace(url.FAKE, url=f"{os.ttyname(theirs)}?baud=9600")
    file = url.UrlConsole().open(spec, a_place(tmp_path))
    os.write(file, b"\x03a\n")
    assert os.read(ours, 10) == b"\x03a\n"
    for each in (ours, theirs, file):
        os.close(each)


@pytest.mark.parametrize("where", ["unix:///no/such", "/dev/no-such-port", "socket://127.0.0.1:1"])
def test_what_does_not_answer_is_an_infrastructure_error_that_names_it(where, tmp_path):
    with pytest.raises(InfrastructureError, match=where):
        url.UrlConsole().open(replace(url.FAKE, url=where), a_place(tmp_path))


def test_an_emulator_that_does_not_connect_is_waited_for_until_the_deadline(tmp_path):
    with listen(tmp_path / "sock") as listener, pytest.raises(InfrastructureError):
        accept(listener, Deadline.after(0.05))


@pytest.mark.parametrize("driver", POWERS, ids=lambda driver: driver.kind)
def test_power_goes_on_and_off(driver):
    outlet = an_outlet(command.FAKE)
    driver.on(outlet)
    driver.off(outlet)


def test_an_emulator_is_pulled_and_plugged():
    machine = CountingMachine()
    driver = next(driver for driver in POWERS if driver.kind == "emulator")
    driver.reset(an_outlet(PowerSpec(kind="emulator"), machine))
    assert machine.told == ["stop", "start"]


def test_a_reset_without_a_command_is_off_and_on():
    said = command.CommandPower().reset(an_outlet(command.FAKE))
    assert said.splitlines() == ["$ echo off", "off", "$ echo on", "on"]


def test_a_command_that_takes_too_long_is_killed_with_its_group(tmp_path):
    text = f"sleep 600 & echo $! > {tmp_path}/pid; echo started; wait"
    with pytest.raises(InfrastructureError, match="started"):
        command.run_commands((text,), Deadline.after(0.5))
    pid = int((tmp_path / "pid").read_text())
    until(lambda: _is_gone(pid), "the sleep is gone")


def test_a_device_without_power_cannot_be_reset():
    driver = next(driver for driver in POWERS if driver.kind == "none")
    with pytest.raises(InfrastructureError, match="no power control"):
        driver.reset(an_outlet(PowerSpec(kind="none")))


def test_processes_of_devices_see_no_settings_of_labq(monkeypatch):
    monkeypatch.setenv("LABQ_REDIS_URL", "redis://:secret@x")
    assert not any(name.startswith("LABQ") for name in plain_environment())


def _is_gone(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
