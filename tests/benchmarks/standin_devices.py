"""Devices for jobs of the corpus: boards with what these jobs ask of theirs."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.benchmarks.standin_images import emulator, ramdisk
from tests.lab import boards
from tests.lab.server import Server

# A board that has a user command and starts a uImage.
BOARD = """\
{% extends 'qemu-uboot.jinja2' %}
{% set uboot_binary = 'FIRMWARE' %}
{% set user_commands = {'set_boot_to_usb': {'do': 'true', 'undo': 'true'}} %}
{% block parameters %}
{{ super() }}
  bootm:
    kernel: '0x50000000'
    ramdisk: '0x46000000'
    dtb: '0x45f00000'
{% endblock %}
"""
# A board that boots by itself when it gets power: the emulator is its power and its console.
MINIMAL = """\
{{% extends 'uml.jinja2' %}}
{{% set host_address = '10.0.2.2' %}}
{{% block commands %}}
  connect: {connect}
{{% endblock %}}
"""


def add_board(server: Server) -> None:
    """Add the U-Boot board."""
    firmware = str(boards.image("arm64/u-boot.bin"))
    _add(server, "stand-in-b2260", BOARD.replace("FIRMWARE", firmware))


def add_minimal(server: Server, folder: Path) -> None:
    """Add the board that boots by itself."""
    root = folder / "minimal.cpio.gz"
    root.write_bytes(ramdisk("x86_64", shell="root@stand-in:~# "))
    words = (
        *(emulator("x86_64"), "-nodefaults", "-no-user-config", "-machine", "q35,accel=tcg"),
        *("-cpu", "max", "-m", "256", "-display", "none", "-monitor", "none", "-serial", "stdio"),
        *("-kernel", str(boards.image("x86_64/vmlinux")), "-initrd", str(root)),
        *("-append", "console=ttyS0 quiet panic=5"),
        *("-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,romfile="),
    )
    connect = "exec " + shlex.join(words)
    _add(server, "stand-in-stm32", MINIMAL.format(connect="'" + connect.replace("'", "''") + "'"))


def _add(server: Server, name: str, template: str) -> None:
    done = server.cli(
        *("device", "add", f"{name}-1", "-", "--type", name, "--health", "good"), stdin=template
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
