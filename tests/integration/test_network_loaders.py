"""Boot loaders that fetch a kernel over the network: U-Boot, iPXE and GRUB, from real TFTP servers.

Those that take long run with `make loaders`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labq.netboot.server import Server
from labq.runner.step import Outcome
from labq.supervisor.programs import cache_folder
from tests.integration.step_lab import Ended, Runs, runs_on

IMAGES = cache_folder() / "images"
X86 = IMAGES / "x86_64"
LOGIN = {"login_prompt": "labq login:", "username": "root"}
PROMPTS = ["root@labq:"]
SECONDS = {"timeout": {"minutes": 6}}
SLOW = pytest.mark.skipif(
    "LABQ_SLOW_BOOTS" not in os.environ, reason="takes long: runs with `make loaders`"
)
PATIENT = pytest.mark.timeout(600)
HOST = "127.69.0.1"
"""Neither the emulator's own server nor the address of another test."""


@pytest.fixture
def runs(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Return a host that finds the emulators and may read the images."""
    path = f"{os.environ['PATH']}:{cache_folder() / 'system' / 'bin'}"
    monkeypatch.setenv("PATH", path)
    with runs_on(tmp_path, redis_url, monkeypatch, LABQ_FILE_FOLDERS=str(IMAGES)) as made:
        yield made


@contextmanager
def tftp_of(runs: Runs) -> Iterator[str]:
    """Serve the host's TFTP folder at port 69 of an address of its own."""
    server = Server((HOST, 69), runs.lab.folder / "tftp", None)
    ends = threading.Event()

    def serve() -> None:
        while not ends.is_set():
            server.turn()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield HOST
    finally:
        ends.set()
        thread.join()
        server.close()


def _deploy(kernel: str, ramdisk: str, **keys: object) -> dict[str, object]:
    return {
        "deploy": {
            "to": "tftp",
            "kernel": {"url": f"file://{IMAGES / kernel}", **keys},
            "ramdisk": {"url": f"file://{IMAGES / ramdisk}", "compression": "gz"},
        }
    }


def _boot(method: str, **keys: object) -> dict[str, object]:
    block = {"method": method, "commands": "ramdisk", "auto_login": LOGIN, "prompts": PROMPTS}
    return {"boot": {**block, **SECONDS, **keys}}


def _x86(runs: Runs, method: str, variables: str = "", **keys: object) -> Ended:
    ended = runs.run(
        [_deploy("x86_64/bzImage", "x86_64/rootfs.cpio.gz"), _boot(method, **keys)],
        device_type=f"qemu-{method}",
        variables=variables,
    )
    assert ended.failure == ""
    assert ended.verdicts["lava/auto-login-action"] == "pass"
    return ended


@SLOW
@PATIENT
def test_ipxe_boots_by_what_is_typed(runs: Runs) -> None:
    _x86(runs, "ipxe")


@SLOW
@PATIENT
def test_ipxe_boots_by_a_script_from_the_hosts_own_server(runs: Runs) -> None:
    with tftp_of(runs) as address:
        _x86(runs, "ipxe", f"{{% set host_address = '{address}' %}}", use_bootscript=True)


@SLOW
@PATIENT
def test_grub_boots_by_what_is_typed_although_it_loses_characters(runs: Runs) -> None:
    _x86(runs, "grub", GRUB)


@pytest.mark.skipif(os.geteuid() != 0, reason="port 69 wants root")
def test_u_boot_fetches_from_the_hosts_own_server(runs: Runs) -> None:
    with tftp_of(runs) as address:
        ended = runs.run(
            [_deploy("arm64/Image", "arm64/rootfs.cpio.gz", type="image"), _boot("u-boot")],
            device_type="qemu-uboot",
            variables=f"{{% set uboot_binary = '{IMAGES}/arm64/u-boot.bin' %}}"
            f"{{% set host_address = '{address}' %}}",
        )
    assert ended.failure == ""
    assert ended.outcomes == [Outcome.DONE] * 4


GRUB = (
    f"{{% set grub_binary = '{X86}/grubx64.efi' %}}"
    f"{{% set ovmf_code = '{X86}/ovmf-code.fd' %}}{{% set ovmf_vars = '{X86}/ovmf-vars.fd' %}}"
)
