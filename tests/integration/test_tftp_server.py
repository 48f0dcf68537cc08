"""The TFTP server of a host, asked by curl and by hostile packets."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labq.domain.errors import InfrastructureError
from labq.netboot import server as server_module
from labq.netboot.server import MOST_OF_A_CLIENT, Server

HERE = "127.0.0.1"
RUN = "board-1/47/tftp-deploy-0a1b2c3d"
IMAGE = os.urandom(3_000_000)


@dataclass(frozen=True, slots=True)
class Site:
    """A running server and its folders."""

    server: Server
    runs: Path
    own: Path

    def curl(self, path: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        """Fetch a file by a client of somebody else's."""
        url = f"tftp://{HERE}:{self.server.port}/{path}"
        command = ["curl", "-s", "-S", "--path-as-is", "--max-time", "30", *options, url]
        return subprocess.run(command, capture_output=True, check=False)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serve a run's kernel and the lab's own boot loader."""
    runs, own = tmp_path / "tftp", tmp_path / "own"
    (runs / RUN / "kernel").mkdir(parents=True)
    (runs / RUN / "kernel" / "Image").write_bytes(IMAGE)
    (runs / "board-2").mkdir()
    own.mkdir()
    (own / "ipxe.efi").write_bytes(b"loader")
    (tmp_path / "secret").write_bytes(b"secret")
    monkeypatch.setattr(server_module, "LONGEST_WAIT_SECONDS", 0.05)
    server = Server((HERE, 0), runs, own)
    ends = threading.Event()

    def serve() -> None:
        while not ends.is_set():
            server.turn()

    thread = threading.Thread(target=serve)
    thread.start()
    yield Site(server, runs, own)
    ends.set()
    thread.join()
    server.close()


@pytest.mark.parametrize("block", ["512", "1468", "8192"])
def test_a_file_of_a_run_arrives_as_it_is(site: Site, block: str) -> None:
    path = f"{RUN.partition('/')[2]}/kernel/Image"
    assert site.curl(path, "--tftp-blksize", block).stdout == IMAGE
    assert site.curl(f"/{path}", "--tftp-no-options").stdout == IMAGE


def test_the_labs_own_files_are_served_beside_those_of_runs(site: Site) -> None:
    assert site.curl("ipxe.efi").stdout == b"loader"
    assert site.curl("/ipxe.efi").stdout == b"loader"


def test_nothing_else_can_be_reached(site: Site) -> None:
    (site.runs / RUN / "link").symlink_to(site.runs.parent / "secret")
    (site.runs / RUN / "up").symlink_to(site.runs.parent)
    (site.own / "out").symlink_to(site.runs.parent / "secret")
    os.mkfifo(site.own / "pipe")
    here = RUN.partition("/")[2]
    for path in (
        "../secret",
        f"{here}/../../../../secret",
        f"{here}/link",
        f"{here}/up/secret",
        "out",
        "pipe",
        "47/tftp-deploy-ffffffff/kernel/Image",
        "47/kernel/Image",
        f"{here}/kernel",
        "nothing",
    ):
        done = site.curl(path)
        assert (done.returncode, done.stdout) == (68, b""), path


def test_clients_that_ask_for_too_much_or_nonsense_keep_nobody_from_booting(site: Site) -> None:
    path = f"{RUN.partition('/')[2]}/kernel/Image"
    request = b"\0\1" + path.encode() + b"\0octet\0"
    links = []
    for _ in range(MOST_OF_A_CLIENT + 4):
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.bind(("127.0.0.9", 0))
        link.settimeout(20)
        link.sendto(request, (HERE, site.server.port))
        links.append(link)
    kinds = [link.recv(2000)[1] for link in links]
    assert sorted(kinds) == [3] * MOST_OF_A_CLIENT + [5] * 4
    for junk in (b"", b"\0", b"\xff" * 1500, b"\0\2file\0octet\0", b"\0\4\0\1", b"\0\1\0\0"):
        links[0].sendto(junk, (HERE, site.server.port))
    assert site.curl(path).stdout == IMAGE
    for link in links:
        link.close()


def test_a_board_that_was_reset_begins_anew_from_the_same_port(site: Site) -> None:
    path = f"{RUN.partition('/')[2]}/kernel/Image".encode()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind((HERE, 0))
        link.settimeout(20)
        for _ in range(2):
            link.sendto(b"\0\1" + path + b"\0octet\0", (HERE, site.server.port))
            packet, transfer = _numbered(link, 1)
            assert packet[4:] == IMAGE[:512]
            link.sendto(b"\0\4\0\1", transfer)
            assert _numbered(link, 2)[0][4:] == IMAGE[512:1024]


def _numbered(link: socket.socket, block: int) -> tuple[bytes, tuple[str, int]]:
    """Return the next packet with this block; what was on the way before is passed over."""
    while True:
        packet, sender = link.recvfrom(2000)
        if packet[1] == 3 and int.from_bytes(packet[2:4], "big") == block:
            return packet, sender


def test_an_address_that_cannot_be_had_is_named(site: Site) -> None:
    with pytest.raises(InfrastructureError, match=f"cannot be served at {HERE} port"):
        Server((HERE, site.server.port), site.runs, None)
