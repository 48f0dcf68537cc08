"""Devices that are described as LAVA describes them: consoles by commands, power by lists of them."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from labq.domain.plan import Plan
from labq.jobdef.device import read_device, render_device
from labq.jobdef.templates import Library
from tests.integration.bench_lab import Lab, a_lab, a_plan, read_until, until

# What telnet is to a ser2net: a client between its terminal and a port.
CLIENT = """
import os, socket, sys, threading
link = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def carry():
    while data := os.read(0, 4096):
        link.sendall(data)
threading.Thread(target=carry, daemon=True).start()
while data := link.recv(4096):
    os.write(1, data)
"""
TYPE = """\
hostname: {{ scheduled_device_name }}
constants: {posix: {lava_test_sh_cmd: /bin/sh}}
commands:
{{ body | default('') }}
  connections:
{% for name in connection_list %}
    {{ name }}:
      connect: {{ connection_commands[name] | yaml_quote }}
{% if name in connection_tags %}
      tags: {{ connection_tags[name] | yaml_quote }}
{% endif %}
{% endfor %}
  pre_power_command: {{ pre_power_command | yaml_quote }}
  hard_reset: {{ hard_reset_command | yaml_quote }}
  power_on: {{ power_on_command | yaml_quote }}
  power_off: {{ power_off_command | yaml_quote }}
actions:
  deploy: {methods: null, connections: null}
  boot: {connections: {serial: null}, methods: {minimal: null}}
timeouts: {actions: {power-off: {seconds: 10}}, connections: {}}
"""


class Shell:
    """A board's serial port behind a port of TCP: a shell in a terminal; one at a time, as ser2net."""

    def __init__(self, prompt: str) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.closed = threading.Event()
        master, slave = pty.openpty()
        self._master = master
        self._process = subprocess.Popen(
            ["/bin/sh", "-i"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={"PS1": prompt, "PATH": os.environ["PATH"]},
            start_new_session=True,
        )
        os.close(slave)
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def _serve(self) -> None:
        with suppress(OSError), self._listener.accept()[0] as link:
            self._threads.append(threading.Thread(target=self._say, args=(link,), daemon=True))
            self._threads[1].start()
            while data := link.recv(4096):
                os.write(self._master, data)
        self.closed.set()

    def _say(self, link: socket.socket) -> None:
        with suppress(OSError):
            while data := os.read(self._master, 4096):
                link.sendall(data)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)
        os.close(self._master)


@contextmanager
def shells(*prompts: str) -> Iterator[list[Shell]]:
    made = [Shell(prompt) for prompt in prompts]
    try:
        yield made
    finally:
        for shell in made:
            shell.close()


@pytest.fixture
def lab(tmp_path: Path, redis_url: str) -> Iterator[Lab]:
    with a_lab(tmp_path, redis_url) as made:
        yield made


def board(folder: Path, ports: dict[str, int]) -> Plan:
    """Return a plan for a device whose file is like those of LAVA."""
    client = folder / "client.py"
    client.write_text(CLIENT)
    noted = folder / "power.log"
    commands = {name: f"{sys.executable} {client} {port}" for name, port in ports.items()}
    text = "\n".join(
        (
            "{% extends 'board.jinja2' %}",
            f"{{% set connection_list = {list(ports)} %}}",
            f"{{% set connection_commands = {commands} %}}",
            "{% set connection_tags = {'uart0': ['primary', 'telnet']} %}",
            f"{{% set pre_power_command = 'echo pre >> {noted}' %}}",
            f"{{% set hard_reset_command = ['echo off >> {noted}', 'echo on >> {noted}'] %}}",
            f"{{% set power_on_command = ['echo up >> {noted}'] %}}",
            f"{{% set power_off_command = 'echo down >> {noted}' %}}",
        )
    )
    library = Library(stored=(("board", TYPE),))
    dictionary = render_device(
        text, name="board-1", device_type="board", context={}, library=library
    )
    spec = read_device(dictionary, name="board-1", device_type="board")
    return a_plan(1, consoles=spec.consoles, power=spec.power, dictionary=spec.dictionary)


def test_a_device_of_lava_has_two_consoles_and_is_switched_by_lists_of_commands(
    lab: Lab, tmp_path: Path
) -> None:
    with shells("main> ", "second> ") as (main, second):
        lab.announce(board(tmp_path, {"uart1": second.port, "uart0": main.port}))
        boot = lab.step(1, 0)
        console, other = boot.console(), boot.console("uart1")
        console.send(b"echo on-$((40 + 2))\n")
        assert b"second> " not in read_until(console, b"on-42")
        other.send(b"echo other-$((40 + 3))\n")
        assert b"on-42" not in read_until(other, b"other-43")
        boot.power.reset()
        boot.power.run("pre_power_command")
        boot.power.on()
        boot.power.off()
        said = (tmp_path / "power.log").read_text().split()
        assert said == ["off", "on", "pre", "pre", "up", "down"]
        boot.disconnect("uart1")
        assert second.closed.wait(10)
        assert not main.closed.is_set()
        boot.end()
        boot.release()
        until(lambda: any("on-42" in str(line) for line in lab.messages(1, "target")))
