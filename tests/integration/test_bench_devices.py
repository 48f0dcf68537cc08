"""Devices that behave and devices that do not: emulators, floods, silence, garbage, power."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.domain.deadline import Deadline
from labq.domain.errors import ErrorType, InfrastructureError
from labq.domain.events import HoldState
from labq.domain.plan import ConsoleSpec, PowerSpec
from labq.domain.verdicts import Level
from labq.hw.console import ConsoleClosedError
from labq.hw.session import Emulator
from tests.integration.bench_lab import Lab, a_lab, a_plan, read_until, until

EMULATED = (ConsoleSpec(channel="main", kind="emulator"),)
PULLED = PowerSpec(kind="emulator")
SPEAKER = """
import socket, sys
print("qemu: starting", flush=True)
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
link.sendall(b"U-Boot 2023\\n=> ")
while data := link.recv(100):
    link.sendall(data)
    if b"exit" in data:
        sys.exit(3)
"""


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def command_console(command: str) -> tuple[ConsoleSpec, ...]:
    return (ConsoleSpec(channel="main", kind="pty", command=command),)


def a_speaker(lab: Lab, run: int = 1) -> Emulator:
    path = lab.folder / f"speaker-{run}.sock"
    argv = (sys.executable, "-c", SPEAKER, str(path))
    return Emulator(argv=argv, channel="main", cwd=lab.folder, socket=path)


def files_of(lab: Lab) -> int:
    return len(list(Path(f"/proc/{lab.bench.pid}/fd").iterdir()))


def test_an_emulator_connects_its_console_and_its_exit_is_said(lab):
    lab.announce(a_plan(1, consoles=EMULATED, power=PULLED))
    boot = lab.step(1, 0)
    with pytest.raises(InfrastructureError, match="does not run"):
        boot.console()
    console = boot.start(a_speaker(lab))
    read_until(console, b"=> ")
    console.send(b"exit\n")
    with pytest.raises(ConsoleClosedError, match="code 3"):
        read_until(console, b"never")
    boot.end()
    boot.release()
    until(lambda: "the emulator exited with code 3" in lab.messages(1, "warning"))
    until(lambda: "qemu: starting" in lab.messages(1, "feedback"))


def test_an_emulator_survives_the_bench_and_power_switches_it(lab):
    lab.announce(a_plan(1, consoles=EMULATED, power=PULLED))
    boot = lab.step(1, 0)
    console = boot.start(a_speaker(lab))
    read_until(console, b"=> ")
    lab.kill_bench()
    lab.start_bench()
    console.send(b"hello\n")
    read_until(console, b"hello\n")
    boot.power.reset()
    read_until(console, b"=> ")
    boot.power.off()
    with pytest.raises(ConsoleClosedError):
        read_until(console, b"never")
    boot.power.on()
    read_until(console, b"=> ")
    boot.end()
    boot.release()


def test_an_emulator_may_speak_on_its_standard_streams(lab):
    lab.announce(a_plan(1, consoles=EMULATED, power=PULLED))
    boot = lab.step(1, 0)
    argv = ("sh", "-c", "echo hello from {TEXT}; read x; echo got $x")
    boot.remember("images", {"text": "/images/text"})
    console = boot.start(Emulator(argv=argv, channel="main", cwd=lab.folder))
    read_until(console, b"hello from /images/text")
    console.send(b"5\n")
    read_until(console, b"got 5")
    with pytest.raises(ConsoleClosedError, match="code 0"):
        read_until(console, b"never")
    boot.release()


def test_an_emulator_that_cannot_start_is_an_infrastructure_error(lab):
    lab.announce(a_plan(1, consoles=EMULATED, power=PULLED))
    boot = lab.step(1, 0)
    emulator = Emulator(argv=("/no/such/program",), channel="main", cwd=lab.folder)
    with pytest.raises(InfrastructureError, match="/no/such/program"):
        boot.start(emulator)
    boot.release()


def test_a_device_that_says_nothing_is_waited_for_until_the_deadline(lab):
    lab.announce(a_plan(1, consoles=command_console("sleep 600")))
    boot = lab.step(1, 0)
    assert boot.console().read(Deadline.after(0.2)) is None
    boot.release()


def test_garbage_and_a_megabyte_without_a_line_end_reach_reader_and_log(lab):
    command = (
        "stty raw -echo; head -c 65536 /dev/urandom; "
        "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo the-end; read x"
    )
    lab.announce(a_plan(1, consoles=command_console(command)))
    boot = lab.step(1, 0)
    seen = read_until(boot.console(), b"the-end")
    assert len(seen) >= 1_065_536
    boot.end()
    boot.release()
    until(lambda: "the-end" in lab.messages(1, "target"))
    assert "<line way too long ...>" in lab.messages(1, "target")


def test_a_flooding_device_does_not_starve_another(lab):
    lab.announce(a_plan(1, consoles=command_console("yes flood")))
    lab.announce(a_plan(2))
    flood, other = lab.step(1, 0), lab.step(2, 0)
    flood.console()
    console = other.console()
    for number in range(20):
        console.send(b"%d\n" % number)
        read_until(console, b"did %d\r\n" % number)
    flood.disconnect("main")
    flood.release()
    other.release()


def test_more_output_than_the_limit_ends_the_step_with_a_test_error(tmp_path, redis_url):
    with a_lab(tmp_path, redis_url, LABQ_JOURNAL_BYTES="200000") as lab:
        lab.announce(a_plan(1, consoles=command_console("yes flood")))
        lab.step(1, 0).console()
        ended = until(lambda: lab.of_kind(1, "ended"))[0]
        assert ended.failure.type is ErrorType.TEST
        assert ended.failure.message == "console output over 200000 bytes"
        assert ended.next == 2


def test_a_character_delay_waits_for_each_echo(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    console = boot.console()
    before = console.now()
    console.send(b"slowly\n", 0.02)
    assert console.now() - before >= 0.12
    assert b"did slowly" in read_until(console, b"did slowly")
    boot.end()
    boot.release()
    until(lambda: lab.messages(1, "input") == ["slowly\n"])


def test_a_killed_bench_types_the_rest_of_a_slow_input_once(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    console = boot.console()
    text = b"abcdefghijklmnopqrstuvwxyz" * 2
    timer = threading.Timer(0.5, lambda: (lab.kill_bench(), lab.start_bench()))
    timer.start()
    console.send(text + b"\n", 0.02)
    assert b"did " + text in read_until(console, b"did " + text)
    timer.join()
    boot.release()


def test_a_long_input_arrives_whole(lab):
    command = "stty raw -echo; echo ready; head -c 50000 | cksum"
    lab.announce(a_plan(1, consoles=command_console(command)))
    boot = lab.step(1, 0)
    console = boot.console()
    read_until(console, b"ready")
    console.send(b"x" * 50000)
    read_until(console, b" 50000")
    boot.release()


def test_power_commands_run_in_order_with_their_placeholders_and_are_logged(lab):
    power = PowerSpec(
        kind="command",
        pre_power=("echo before",),
        on=("echo on {FOLDER}", "echo second"),
        off=("echo it sparks >&2; exit 4",),
    )
    lab.announce(a_plan(1, power=power, dictionary={"commands": {"blink": "echo blinking"}}))
    boot = lab.step(1, 0)
    boot.power.on()
    boot.power.run("blink")
    with pytest.raises(InfrastructureError, match="it sparks"):
        boot.power.off()
    with pytest.raises(InfrastructureError, match="it sparks"):
        boot.power.reset()
    boot.end()
    boot.release()
    until(lambda: "blinking" in lab.messages(1, "debug"))
    said = [text for text in lab.messages(1, "debug") if not text.startswith("$")]
    assert said == ["before", f"on {boot.folder}", "second", "blinking"]


def test_a_console_behind_a_url_that_does_not_answer_is_said(lab):
    spec = ConsoleSpec(channel="main", kind="url", url=f"unix://{lab.folder}/nobody")
    lab.announce(a_plan(1, consoles=(spec,)))
    boot = lab.step(1, 0)
    with pytest.raises(InfrastructureError, match="nobody"):
        boot.console()
    boot.release()


def test_many_connections_leave_no_descriptor_behind(lab):
    lab.announce(a_plan(1))
    boot = lab.step(1, 0)
    boot.console()
    boot.disconnect("main")
    before = files_of(lab)
    for _ in range(10):
        boot.console()
        boot.disconnect("main")
    assert files_of(lab) == before
    boot.release()


def test_a_second_run_of_a_device_waits_until_the_first_has_ended(lab):
    lab.announce(a_plan(1, device="board"))
    lab.announce(a_plan(2, device="board"))
    first = lab.step(1, 0)
    granted = []
    thread = threading.Thread(target=lambda: granted.append(lab.step(2, 0)))
    thread.start()
    until(lambda: lab.state(2) is HoldState.WAITING)
    assert first.log(Level.INFO, "mine") >= 0
    first.end()
    first.release()
    assert not granted
    lab.announce(a_plan(1, device="board"), epoch=2, following=2)
    collect = lab.step(1, 2, epoch=2)
    collect.end()
    collect.release()
    thread.join(10)
    assert granted
