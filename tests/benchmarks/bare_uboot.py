"""The bare script for U-Boot: fetch into the TFTP folder, type the commands that boot, then test.

`python -m tests.benchmarks.bare_uboot KERNEL_URL RAMDISK_URL COMMAND_JSON TYPED_JSON`; `{folder}`
in the emulator's command is the folder that it serves by TFTP.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bare import Console, Emulator, booting, fetch, log_in_and_test


def main(kernel: str, ramdisk: str, command: str, typed: str) -> None:
    """Do it once."""
    emulator = Emulator(**json.loads(command))
    with tempfile.TemporaryDirectory(prefix="bare-") as name:
        folder = Path(name)
        fetch(kernel, folder / "kernel")
        fetch(ramdisk, folder / "ramdisk")
        with booting(emulator, folder) as console:
            _boot(console, json.loads(typed))
            log_in_and_test(console)


def _boot(console: Console, lines: list[str]) -> None:
    console.wait(rb"Hit any key to stop autoboot")
    console.send("")
    for line in lines:
        console.wait(rb"=> ")
        console.send(line)


if __name__ == "__main__":
    main(*sys.argv[1:])
