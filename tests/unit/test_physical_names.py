"""By which names labqs of one machine keep off each other's boards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labq.bench import physical
from labq.domain.plan import ConsoleSpec
from tests.unit.plans import STEP, plan


@pytest.mark.parametrize(
    ("console", "expected"),
    [
        ({"kind": "url", "url": "socket://Ser2net.lab:7001"}, ["tcp ser2net.lab:7001"]),
        ({"kind": "url", "url": "rfc2217://10.0.0.2:7002"}, ["tcp 10.0.0.2:7002"]),
        ({"kind": "url", "url": "/no/such/port?baud=9600"}, ["path /no/such/port"]),
        ({"kind": "url", "url": "unix:///no/such/socket"}, ["path /no/such/socket"]),
        ({"kind": "url", "url": "loop://"}, []),
        ({"kind": "pty", "command": "telnet ser2net.lab 7001"}, ["tcp ser2net.lab:7001"]),
        ({"kind": "pty", "command": "exec /usr/bin/nc 10.0.0.2 23"}, ["tcp 10.0.0.2:23"]),
        ({"kind": "pty", "command": "picocom -b 9600 /dev/ttyUSB77"}, ["path /dev/ttyUSB77"]),
        (
            {"kind": "pty", "command": "picocom /dev/serial/by-path/pci-1"},
            ["path /dev/serial/by-path/pci-1"],
        ),
        ({"kind": "pty", "command": "cat /dev/null; telnet; 'not closed"}, []),
        ({"kind": "pty", "command": "sh -i </dev/null"}, []),
        ({"kind": "emulator"}, []),
    ],
)
def test_a_console_is_known_by_where_it_is(console: dict[str, str], expected: list[str]) -> None:
    found = plan([STEP], consoles=(ConsoleSpec(channel="main", **console),))
    assert physical.names(found) == expected


def test_a_board_on_usb_is_known_by_its_serial_numbers() -> None:
    dictionary = {
        "fastboot_serial_number": "0a1b",
        "adb_serial_number": "0000000000",
        "board_id": "77",
        "usb_vendor_id": "0d28",
        "usb_product_id": "0204",
    }
    found = plan([STEP], dictionary, consoles=())
    assert physical.names(found) == ["usb 0d28:0204 board 77", "usb serial 0a1b"]
    found = replace(found, dictionary={"fastboot_serial_number": "tcp:Board:5554"})
    assert physical.names(found) == ["tcp board:5554"]
