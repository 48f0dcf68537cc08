"""What a supervisor starts: Python parts as forks that share its memory, programs by exec."""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import NoReturn, Protocol

from typing_extensions import override

from labq.domain.errors import LabqError

# Options of prctl(2), from the kernel's include/uapi/linux.
PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
SUPERVISED = (Signals.SIGINT, Signals.SIGTERM, Signals.SIGCHLD, Signals.SIGHUP)
CRASHED = 70
REFUSED = 2
"""The exit code of a part that says in its log why it cannot work."""
_LIBC = ctypes.CDLL(None, use_errno=True)


class Work(Protocol):
    """Something that runs in a process of its own."""

    @property
    def name(self) -> str:
        """Return what the process is called in messages, logs and the process list."""

    @property
    def stop_signal(self) -> Signals:
        """Return what asks it to end."""

    @property
    def death_signal(self) -> Signals:
        """Return what it gets when its supervisor dies."""

    def run(self) -> int:
        """Do it; called in the new process. Returns the exit code, or never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Work):
    """Python code: `entry` is `module:function`, called with `arguments`."""

    name: str
    entry: str
    arguments: tuple[str, ...] = ()
    stop_signal: Signals = Signals.SIGTERM
    death_signal: Signals = Signals.SIGKILL
    is_fresh: bool = False
    """Whether its code is read from disk anew: after an upgrade, at the price of shared memory."""

    @override
    def run(self) -> int:
        if self.is_fresh:
            words = ("-m", "labq.supervisor.fresh", self.name, self.entry, *self.arguments)
            os.execv(sys.executable, (sys.executable, *words))  # noqa: S606 - a shell would be in the way
        return call(self.entry, self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program(Work):
    """A program with its folder and what is added to the environment."""

    name: str
    argv: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: Signals = Signals.SIGTERM
    death_signal: Signals = Signals.SIGTERM

    @override
    def run(self) -> int:
        os.chdir(self.cwd)
        environment = {**os.environ, **self.environment}
        os.execve(self.argv[0], self.argv, environment)  # noqa: S606 - a shell would be in the way


def start(work: Work, log: Path) -> int:
    """Start it in a session of its own, its output appended to `log`; return its process id.

    The caller has one thread. The new process has no file of the caller but standard ones.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SUPERVISED)
    pid = os.fork()
    if pid == 0:
        _run(work, log, parent)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return pid


def call(entry: str, arguments: Sequence[str]) -> int:
    """Call a part's function and return its exit code."""
    module, _, function = entry.partition(":")
    code = getattr(importlib.import_module(module), function)(*arguments)
    return code if isinstance(code, int) else 0


def run_as(name: str, work: Callable[[], int]) -> NoReturn:
    """Do the work of a process under its name, and end with its exit code."""
    _LIBC.prctl(PR_SET_NAME, f"labq:{name}".encode()[:15], 0, 0, 0)
    code = CRASHED
    try:
        code = work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except KeyboardInterrupt:
        code = 0
    except LabqError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the part's log
        code = REFUSED
    except BaseException:  # noqa: BLE001 - the outermost edge of a process
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def adopt_orphans() -> None:
    """Become the parent of every process below this one whose own parent ends."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _run(work: Work, log: Path, parent: int) -> None:
    """Be the new process; never returns, so that nothing of the supervisor runs twice."""

    def _work() -> int:
        _separate(work, log, parent)
        return work.run()

    run_as(work.name, _work)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue


def _separate(work: Work, log: Path, parent: int) -> None:
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in SUPERVISED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _prctl(PR_SET_PDEATHSIG, work.death_signal)
    if os.getppid() != parent:
        os._exit(0)
    _redirect(log)


def _redirect(log: Path) -> None:
    """Leave only standard files open: a descriptor kept here would keep a console from closing."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"prctl {option}: {os.strerror(number)}")
