"""Keeps processes running: starts them again with back-off when they end, stops them in order."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from types import FrameType

from labq.domain.deadline import Deadline, monotonic
from labq.domain.errors import InfrastructureError
from labq.supervisor import pid_files
from labq.supervisor.processes import Work, start

LONGEST_PAUSE_SECONDS = 30.0
# Alive this long, a process is taken to be well, and its next restart is immediate again.
WELL_SECONDS = 10.0
LARGEST_LOG_BYTES = 16 * 1024 * 1024
KILL_SECONDS = 2.0


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for the end
    """A signal came while starting."""


@dataclass(slots=True)
class _Member:
    work: Work
    restarts: bool
    pid: int | None = None
    watch: int | None = None
    started: float = 0.0
    failures: int = 0
    due: float | None = None
    code: int = 0
    count: int = 0
    reason: str = ""
    asked: str = ""


@dataclass(frozen=True, slots=True)
class PartState:
    """A process of a crew: how often it was started again, and why the last time."""

    name: str
    pid: int | None
    restarts: int
    reason: str
    seconds: float


class Crew:
    """The processes of one supervisor. Only the main thread uses it, and it is the only thread."""

    def __init__(self, logs: Path, say: Callable[[str], None], *, adopts: bool) -> None:
        """Keep logs in the folder `logs`; with `adopts` every child of this process is reaped."""
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._logs = logs
        self._say = say
        self._adopts = adopts
        self._members: dict[str, _Member] = {}
        self._leaving: dict[int, int] = {}
        self._handlers: dict[int, Callable[[], None]] = {}
        self._poll = select.epoll()
        self._stops = 0
        self._wake = self._catch_signals()

    @property
    def is_stopping(self) -> bool:
        """Return whether a signal asked for the end."""
        return self._stops > 0

    def ask_to_stop(self) -> None:
        """Ask for the end as a signal does."""
        self._stops += 1

    def watch(self, file: int, handle: Callable[[], None]) -> None:
        """Call `handle` whenever `file` is readable."""
        self._handlers[file] = handle
        self._poll.register(file, select.EPOLLIN)

    def add(self, work: Work, *, restarts: bool = True) -> None:
        """Start a process and keep it running; without `restarts` it runs once."""
        member = _Member(work, restarts)
        self._members[work.name] = member
        self._start(member)

    def log_of(self, name: str) -> Path:
        """Return where the output of a process goes."""
        return self._logs / f"{name}.log"

    def pid_file_of(self, name: str) -> Path:
        """Return where it is noted which process has a name."""
        return self._logs / f"{name}.pid"

    def is_running(self, name: str) -> bool:
        """Return whether the process runs at this moment."""
        return name in self._members and self._members[name].pid is not None

    def states(self) -> list[PartState]:
        """Return how the processes are that are kept running."""
        now = monotonic()
        return [
            PartState(name, one.pid, one.count, one.reason, now - one.started)
            for name, one in self._members.items()
            if one.restarts
        ]

    @property
    def leaving(self) -> list[int]:
        """Return the processes that were replaced and still have something to finish."""
        return list(self._leaving)

    def renew(self, work: Work, reason: str, number: Signals) -> None:
        """Start a process again, as `work` from now on: `number` asks the present one to end."""
        member = self._members[work.name]
        member.work, member.asked = work, reason
        if member.pid is None:
            member.due = monotonic()
        else:
            self._signal(member, number)

    def replace(self, work: Work, reason: str, number: Signals) -> None:
        """Start a process beside the present one, which `number` asks to finish and end."""
        member = self._members[work.name]
        if member.pid is not None and member.watch is not None:
            self._leaving[member.pid] = member.watch
            self._signal(member, number)
        member.work, member.pid, member.watch = work, None, None
        self._count(member, reason)
        self._start(member)

    def end_leaving(self, pids: Iterable[int]) -> None:
        """Kill processes that were replaced."""
        for pid in set(pids) & set(self._leaving):
            with suppress(ProcessLookupError):
                os.killpg(pid, Signals.SIGKILL)

    def last_code(self, name: str) -> int:
        """Return the exit code with which the process ended last, 0 before it ended."""
        return self._members[name].code

    def turn(self, seconds: float | None = None) -> None:
        """Wait until something happens, at most `seconds`, and do what is due."""
        for file, _ in self._poll.poll(self._pause(seconds)):
            handle = self._handlers.get(file)
            if handle is not None:
                handle()
        self._reap()
        if not self.is_stopping:
            self._start_due()

    def run_once(self, work: Work, seconds: float) -> None:
        """Run something to its end.

        Raises InfrastructureError with its last words when it fails or takes longer than `seconds`,
        Stopped when a signal asked for the end.
        """
        self.log_of(work.name).unlink(missing_ok=True)
        self.add(work, restarts=False)
        deadline = Deadline.after(seconds)
        while self.is_running(work.name):
            self.turn(deadline.remaining())
            if self.is_stopping:
                raise Stopped
            if deadline.is_over():
                raise InfrastructureError(f"{work.name} is not done after {seconds:g} s")
        code = self._members.pop(work.name).code
        if code:
            words = last_line(self.log_of(work.name)) or describe(code)
            raise InfrastructureError(f"{words} (logs are in {self._logs})")

    def stop(self, names: Iterable[str], seconds: float) -> None:
        """End processes: ask, wait at most `seconds`, kill what is left."""
        members = [self._members[name] for name in names if name in self._members]
        for member in members:
            member.restarts, member.due = False, None
            self._signal(member, member.work.stop_signal)
        self._await_end(members, Deadline.after(seconds), is_patient=True)
        for member in members:
            if member.pid is not None:
                self._say(f"{member.work.name} did not end in {seconds:g} s: killed")
                self._signal(member, Signals.SIGKILL)
        self._await_end(members, Deadline.after(KILL_SECONDS), is_patient=False)

    def close(self) -> None:
        """Kill every process that is left below this one, however it got there."""
        deadline = Deadline.after(KILL_SECONDS)
        while (left := _children()) and not deadline.is_over():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, Signals.SIGKILL)
            self.turn(0.05)

    def _catch_signals(self) -> int:
        wake, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        for number in (Signals.SIGINT, Signals.SIGTERM, Signals.SIGHUP):
            signal.signal(number, self._note)
        signal.signal(Signals.SIGCHLD, _ignore)
        self.watch(wake, self._drain)
        return wake

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stops += 1

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wake, 4096)

    def _pause(self, seconds: float | None) -> float | None:
        """Return how long to wait at most: until the next restart is due."""
        dues = [member.due for member in self._members.values() if member.due is not None]
        until_due = [max(0.0, due - monotonic()) for due in dues]
        limits = until_due if seconds is None else [*until_due, seconds]
        return min(limits) if limits else None

    def _start(self, member: _Member) -> None:
        log = self.log_of(member.work.name)
        _turn_over(log)
        member.due, member.started = None, monotonic()
        member.pid = start(member.work, log)
        pid_files.note(self.pid_file_of(member.work.name), member.pid)
        member.watch = os.pidfd_open(member.pid)
        self._poll.register(member.watch, select.EPOLLIN)

    def _start_due(self) -> None:
        now = monotonic()
        for member in self._members.values():
            if member.due is not None and member.due <= now:
                self._start(member)

    def _reap(self) -> None:
        running = {member.pid: member for member in self._members.values() if member.pid}
        for pid, status in _ended(None if self._adopts else [*running, *self._leaving]):
            if pid in running:
                self._note_end(running[pid], os.waitstatus_to_exitcode(status))
            elif pid in self._leaving:
                self._forget(self._leaving.pop(pid))

    def _note_end(self, member: _Member, code: int) -> None:
        # What the process left behind in its group ends with it.
        self._signal(member, Signals.SIGKILL)
        if member.watch is not None:
            self._forget(member.watch)
        member.pid, member.watch, member.code = None, None, code
        if member.restarts and not self.is_stopping:
            self._plan_restart(member)

    def _forget(self, watch: int) -> None:
        self._poll.unregister(watch)
        os.close(watch)

    def _count(self, member: _Member, reason: str) -> None:
        member.count, member.reason, member.asked = member.count + 1, reason, ""
        self._say(f"{member.work.name} is started again: {reason}")

    def _plan_restart(self, member: _Member) -> None:
        now = monotonic()
        if member.asked:
            member.due = now
            self._count(member, member.asked)
            return
        member.count, member.reason = member.count + 1, describe(member.code)
        if now - member.started >= WELL_SECONDS:
            member.failures = 0
        pause = pause_before(member.failures)
        member.failures += 1
        member.due = now + pause
        when = f"in {pause:g} s" if pause else "now"
        self._say(f"{member.work.name} ended ({describe(member.code)}): starts again {when}")

    def _signal(self, member: _Member, number: Signals) -> None:
        if member.pid is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            if number == Signals.SIGKILL:
                os.killpg(member.pid, number)
            else:
                os.kill(member.pid, number)

    def _await_end(
        self, members: Sequence[_Member], deadline: Deadline, *, is_patient: bool
    ) -> None:
        """Turn until all have ended; a second request to stop ends patience."""
        while any(member.pid is not None for member in members) and not deadline.is_over():
            if is_patient and self._stops > 1:
                return
            self.turn(min(deadline.remaining(), 0.5))


def pause_before(failures: int) -> float:
    """Return the seconds before a restart: none at first, then 1, 2, 4 up to 30."""
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** (failures - 1)) if failures else 0.0


def describe(code: int) -> str:
    """Return an exit code in words."""
    if code < 0:
        return f"killed by {Signals(-code).name}"
    return f"exit code {code}"


def last_line(log: Path) -> str:
    """Return the last line of a log that has words."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "")


def _ended(pids: Sequence[int] | None) -> list[tuple[int, int]]:
    """Reap the given children that ended, or all (None); return their ids and statuses."""
    found = []
    for pid in [-1] if pids is None else pids:
        with suppress(ChildProcessError):
            while (ended := os.waitpid(pid, os.WNOHANG))[0]:
                found.append(ended)
    return found


def _children() -> list[int]:
    """Return the ids of this process's children; none where the kernel keeps no list of them."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    except OSError:
        return []
    return [int(pid) for pid in text.split()]


def _turn_over(log: Path) -> None:
    with suppress(FileNotFoundError):
        if log.stat().st_size > LARGEST_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))


def _ignore(number: int, frame: FrameType | None) -> None:
    """Be a handler: a child's end only has to wake the poll."""
    del number, frame
