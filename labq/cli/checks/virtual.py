"""Whether KVM works, proved by starting a machine: /dev/kvm alone is no proof."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Iterator

from labq.cli.checks.finding import Finding, State
from labq.domain.deadline import Deadline
from labq.supervisor.programs import cache_folder

PROGRAM = "qemu-system-x86_64"
SECONDS = 15.0
# The firmware says its name on the debug port as soon as the processor runs.
SIGN = b"SeaBIOS"
OPTIONS = (
    *("-accel", "kvm", "-m", "64", "-display", "none", "-serial", "none", "-monitor", "none"),
    *("-net", "none", "-no-reboot", "-debugcon", "stdio"),
    *("-global", "isa-debugcon.iobase=0x402"),
)


def try_kvm() -> Iterator[Finding]:
    """Start a machine under KVM and wait for a sign of life."""
    path = f"{os.environ.get('PATH', '')}:{cache_folder() / 'system' / 'bin'}"
    program = shutil.which(PROGRAM, path=path)
    if program is None:
        yield Finding("KVM boot", State.WEAK, f"not tried: no {PROGRAM}")
        return
    with subprocess.Popen(
        (program, *OPTIONS),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as machine:
        said = _listen(machine)
        machine.kill()
    if SIGN in said:
        yield Finding("KVM boot", State.GOOD, "a machine booted")
    else:
        words = said.decode(errors="replace").strip() or f"no sign of life in {SECONDS:g} s"
        advice = "leave `kvm` out of device files: emulation works everywhere"
        yield Finding("KVM boot", State.WEAK, f"no machine boots: {words[-200:]}", advice)


def _listen(machine: subprocess.Popen[bytes]) -> bytes:
    deadline, said = Deadline.after(SECONDS), b""
    while machine.stdout and SIGN not in said and not deadline.is_over():
        ready, _, _ = select.select([machine.stdout], [], [], deadline.remaining())
        data = os.read(machine.stdout.fileno(), 4096) if ready else b""
        if not data:
            break
        said += data
    return said
