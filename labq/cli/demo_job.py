"""The job of `labq demo`: a real kernel, a log-in, a few tests with a measurement and a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from labq.domain.errors import InfrastructureError

APPEND = "console=ttyS0 panic=5 tsc=reliable mitigations=off nokaslr"
MEMORY = "$(awk '/MemTotal/ {print $2}' /proc/meminfo)"
UPTIME = "$(cut -d' ' -f1 /proc/uptime)"
STEPS = (
    "lava-test-case kernel-is-linux --shell grep -q Linux /proc/version",
    "lava-test-case can-write --shell touch /tmp/labq",
    f"lava-test-case uptime --result pass --measurement {UPTIME} --units seconds",
    "lava-test-set start memory",
    f"lava-test-case total --result pass --measurement {MEMORY} --units KiB",
    "lava-test-case free --shell free",
    "lava-test-set stop memory",
    "lava-test-case swap --result skip",
)


@dataclass(frozen=True, slots=True)
class Board:
    """A virtual board for the demo: option of `labq up`, device type, the files it boots."""

    option: str
    device_type: str
    words: str
    kernel: str
    ramdisk: str

    @property
    def images(self) -> tuple[str, ...]:
        """Return the files below the folder of images."""
        return tuple(filter(None, (self.kernel, self.ramdisk)))


BOARDS = (
    Board("qemu", "qemu", "an x86-64 board in QEMU", "x86_64/vmlinux", "x86_64/rootfs.cpio.gz"),
    Board("uml", "uml", "user-mode Linux", "", "uml/rootfs.cpio.gz"),
)


def definition(board: Board, images: Path) -> str:
    """Return the job definition; raises InfrastructureError for images that are missing."""
    for name in board.images:
        if not (images / name).exists():
            raise InfrastructureError(
                f"{images / name} not found: run `deploy/system-programs` and `deploy/images`"
            )
    job: Mapping[str, object] = {
        "job_name": f"labq demo: boot {board.words} and test it",
        "device_type": board.device_type,
        "visibility": "public",
        "timeouts": {"job": {"minutes": 5}, "action": {"minutes": 2}},
        **({"context": {"arch": "amd64"}} if board.kernel else {}),
        "actions": [_deploy(board, images), _boot(board), _test()],
    }
    return yaml.safe_dump(job, sort_keys=False, width=100)


def _deploy(board: Board, images: Path) -> Mapping[str, object]:
    files: dict[str, object] = {}
    if board.kernel:
        arguments = f"-kernel {{kernel}} -append '{APPEND}'"
        files["kernel"] = {"url": f"file://{images / board.kernel}", "image_arg": arguments}
    ramdisk = {"url": f"file://{images / board.ramdisk}"}
    files["ramdisk"] = {**ramdisk, "image_arg": "-initrd {ramdisk}"} if board.kernel else ramdisk
    return {"deploy": {"to": "tmpfs", "images": files}}


def _boot(board: Board) -> Mapping[str, object]:
    method = {"method": "qemu", "media": "tmpfs"} if board.kernel else {"method": "minimal"}
    login = {"login_prompt": "login:", "username": "root"}
    return {"boot": {**method, "prompts": [r"root@labq:\S*#"], "auto_login": login}}


def _test() -> Mapping[str, object]:
    metadata = {"format": "Lava-Test Test Definition 1.0", "name": "smoke", "description": "demo"}
    item = {
        "from": "inline",
        "name": "smoke",
        "path": "inline/smoke.yaml",
        "repository": {"metadata": metadata, "run": {"steps": list(STEPS)}},
    }
    return {"test": {"definitions": [item]}}
