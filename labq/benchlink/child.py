"""Fenced children: a program waits for `go` in a session of its own until the bench knows it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Collection, Sequence
from pathlib import Path

from labq.benchlink.link import Link
from labq.benchlink.messages import Child, ChildGone
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.hw.session import Finished

KEPT_BYTES = 64 * 1024
OWNER_NICE = -15
"""The nice value of a program that owns a core: a device drops a transfer that waits for its CPU."""
GROUP_TRIES = 4
GROUP_PAUSE_SECONDS = 0.11
# End of file before `go` ends the child; after it the program takes the shell's place.
_LAUNCHER = 'IFS= read -r word && [ "$word" = go ] && exec "$@" </dev/null'


def run_fenced(
    link: Link,
    argv: Sequence[str],
    deadline: Deadline,
    cwd: Path | None = None,
    *,
    cpus: Collection[int] = (),
) -> Finished:
    """Run a program under the hold's fence; see `labq.hw.session.Session.run`.

    With `cpus` it has them to itself as far as it may: before it is told to go it is pinned to them,
    and put before other programs where this user may do that.
    """
    with _started(argv, cwd) as process:
        try:
            _give(process.pid, cpus)
            link.call(Child(pid=process.pid, start=start_time(process.pid)))
            _say_go(process)
            output = _collect(process, link, deadline, argv[0])
            returncode = process.wait()
        except BaseException:
            _kill(process)
            raise
        finally:
            _kill_rest(process.pid)
        link.call(ChildGone(pid=process.pid))
    return _finished(returncode, output, argv[0])


def start_time(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])


def _started(argv: Sequence[str], cwd: Path | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _LAUNCHER, "labq-step", *argv],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _give(pid: int, cpus: Collection[int]) -> None:
    """Bind a process that waits for `go` to CPUs; what takes its place inherits it."""
    if not cpus:
        return
    try:
        os.sched_setaffinity(pid, cpus)
    except ProcessLookupError:
        return
    except OSError as error:
        raise InfrastructureError(f"CPUs {sorted(cpus)} cannot be used: {error}") from error
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, OWNER_NICE)
        _group_nice(pid)


def _group_nice(pid: int) -> None:
    """Set the nice value that counts where the kernel groups sessions.

    An ordinary user may do that ten times a second only, all processes together.
    """
    for _ in range(GROUP_TRIES):
        try:
            Path(f"/proc/{pid}/autogroup").write_text(str(OWNER_NICE))
        except BlockingIOError:
            threading.Event().wait(GROUP_PAUSE_SECONDS)
        else:
            return


def _say_go(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"go\n")
            process.stdin.close()


def _collect(
    process: subprocess.Popen[bytes], link: Link, deadline: Deadline, name: str
) -> bytearray:
    """Read the output until its end, with an ear on the bench."""
    output = bytearray()
    if process.stdout is None:
        return output
    pipe = process.stdout.fileno()
    while True:
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            if link.fileno() >= 0:
                selector.register(link, selectors.EVENT_READ)
            ready = [key.fd for key, _ in selector.select(deadline.remaining())]
        if not ready and deadline.is_over():
            raise InfrastructureError(f"{name} took too long; its last output: {_text(output)}")
        if pipe in ready:
            data = os.read(pipe, KEPT_BYTES)
            if not data:
                return output
            output += data
            del output[:-KEPT_BYTES]
        elif ready:
            link.check()


def _finished(returncode: int, output: bytearray, name: str) -> Finished:
    text = _text(output)
    if returncode in (126, 127) and name in text:
        raise InfrastructureError(f"{name} cannot be run: {text.strip()}")
    return Finished(returncode, text)


def _text(output: bytearray) -> str:
    return output.decode(errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _kill_rest(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
