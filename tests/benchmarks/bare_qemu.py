"""The bare script for QEMU: fetch kernel and ramdisk, boot, log in, five commands, power off.

`python -m tests.benchmarks.bare_qemu KERNEL_URL RAMDISK_URL COMMAND_JSON`; `{folder}` in the
command is where the files `kernel`, `ramdisk` and, as a socket, `console` are.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.bare import Emulator, booting, fetch, log_in_and_test


def main(kernel: str, ramdisk: str, command: str) -> None:
    """Do it once."""
    emulator = Emulator(**json.loads(command))
    with tempfile.TemporaryDirectory(prefix="bare-") as name:
        folder = Path(name)
        fetch(kernel, folder / "kernel")
        fetch(ramdisk, folder / "ramdisk")
        with booting(emulator, folder) as console:
            log_in_and_test(console)


if __name__ == "__main__":
    main(*sys.argv[1:])
