"""Real kernels by the runner on a real bench: user-mode Linux, QEMU, U-Boot."""

from __future__ import annotations

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from labq.runner.step import Outcome
from labq.supervisor.programs import cache_folder
from tests.integration.step_lab import Runs, runs_on

IMAGES = cache_folder() / "images"
LOGIN = {"login_prompt": "labq login:", "username": "root"}
PROMPTS = ["root@labq:"]
TESTS = {
    "test": {
        "definitions": [
            {
                "from": "inline",
                "name": "smoke",
                "path": "smoke.yaml",
                "repository": {
                    "metadata": {"format": "Lava-Test Test Definition 1.0", "name": "smoke"},
                    "run": {
                        "steps": [
                            "lava-test-case uname --shell uname -a",
                            "lava-test-set start numbers",
                            "lava-test-case load --result pass --measurement 0.5 --units jobs",
                            "lava-test-set stop",
                        ]
                    },
                },
            }
        ]
    }
}


@pytest.fixture
def runs(tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Return a host that finds the virtual devices' programs."""
    path = f"{os.environ['PATH']}:{cache_folder() / 'system' / 'bin'}"
    monkeypatch.setenv("PATH", path)
    with runs_on(tmp_path, redis_url, monkeypatch) as made:
        yield made


@pytest.fixture
def images() -> Iterator[str]:
    """Return the URL of the images, served over HTTP."""
    handler = functools.partial(Quiet, directory=str(IMAGES))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def test_user_mode_linux_boots_with_the_overlay_in_its_ramdisk(runs: Runs, images: str) -> None:
    ended = runs.run(
        [
            {
                "deploy": {
                    "to": "tmpfs",
                    "images": {"ramdisk": {"url": f"{images}/uml/rootfs.cpio.gz"}},
                }
            },
            {"boot": {"method": "minimal", "auto_login": LOGIN, "prompts": PROMPTS}},
            TESTS,
        ],
        device_type="uml",
    )
    assert ended.failure == ""
    assert ended.outcomes == [Outcome.DONE] * 5
    assert ended.verdicts["0_smoke/uname"] == "pass"
    assert ended.verdicts["lava/0_smoke"] == "pass"


def test_qemu_boots_a_kernel_fetched_over_http(runs: Runs, images: str) -> None:
    append = "-append 'console=ttyS0 panic=5 tsc=reliable mitigations=off nokaslr'"
    ended = runs.run(
        [
            {
                "deploy": {
                    "to": "tmpfs",
                    "images": {
                        "kernel": {
                            "url": f"{images}/x86_64/vmlinux",
                            "image_arg": f"-kernel {{kernel}} {append}",
                        },
                        "ramdisk": {
                            "url": f"{images}/x86_64/rootfs.cpio",
                            "image_arg": "-initrd {ramdisk}",
                        },
                    },
                }
            },
            {"boot": {"method": "qemu", "auto_login": LOGIN, "prompts": PROMPTS}},
            TESTS,
        ],
        device_type="qemu",
        context={"arch": "amd64"},
    )
    assert ended.failure == ""
    assert ended.verdicts["0_smoke/uname"] == "pass"
    assert ended.verdicts["lava/auto-login-action"] == "pass"


def test_u_boot_fetches_kernel_and_ramdisk_by_tftp(runs: Runs, images: str) -> None:
    ended = runs.run(
        [
            {
                "deploy": {
                    "to": "tftp",
                    "kernel": {"url": f"{images}/arm64/Image", "type": "image"},
                    "ramdisk": {"url": f"{images}/arm64/rootfs.cpio.gz", "compression": "gz"},
                }
            },
            {
                "boot": {
                    "method": "u-boot",
                    "commands": "ramdisk",
                    "auto_login": LOGIN,
                    "prompts": PROMPTS,
                }
            },
            TESTS,
        ],
        device_type="qemu-uboot",
        variables=f"{{% set uboot_binary = '{IMAGES}/arm64/u-boot.bin' %}}",
    )
    assert ended.failure == ""
    assert ended.verdicts["0_smoke/uname"] == "pass"
