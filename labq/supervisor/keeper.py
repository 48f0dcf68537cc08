"""The keeper: parent of a host's emulators and command connections, and keeper of descriptors.

It lives in the host's supervisor, so that a bench that is killed finds all of it again. It has one
thread and does not block: `fileno()` goes into the supervisor's poll loop, `handle()` does the work
when it is readable. The supervisor must not reap processes that it did not start (`waitpid(-1)`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labq.bench.memory import offer_to_oom
from labq.benchlink.child import start_time
from labq.benchlink.keeper import receive_packet, send_packet
from labq.domain.errors import InfrastructureError, LabqError
from labq.hw.boot import boot_id
from labq.hw.process import LIFE
from labq.supervisor.process_groups import end_group, kill_left_over

SOCKET_NAME = "keeper.sock"
# Wide, so that no shell on the other side breaks lines.
_WINDOW = struct.pack("HHHH", 24, 1000, 0, 0)
# A terminal that the leader of a new session opens becomes its controlling terminal.
_ON_TERMINAL = ("/bin/sh", "-c", 'exec <>"$1" >&0 2>&0; shift; exec "$@"', "sh")
_TERMINAL_SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGTERM,
)


@dataclass(slots=True)
class _Entry:
    process: subprocess.Popen[bytes] | None = None
    watch: int | None = None
    file: int | None = None
    code: int | None = None


class Keeper:
    """Serves the bench of one host folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / SOCKET_NAME
        self._groups = folder / "keeper.json"
        self._entries: dict[str, _Entry] = {}
        self._clients: dict[int, socket.socket] = {}
        self._watchers: set[int] = set()
        self._exits: dict[int, str] = {}
        self._poll = select.epoll()
        _stop_ignoring()
        kill_left_over(self._groups)
        self._listener = self._listen()

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to handle."""
        return self._poll.fileno()

    def handle(self) -> None:
        """Do what is due: new clients, their messages, processes that ended. Never blocks."""
        for file, _ in self._poll.poll(0):
            if file == self._listener.fileno():
                self._accept()
            elif file in self._exits:
                self._ended(file)
            elif file in self._clients:
                self._serve(self._clients[file])

    def close(self) -> None:
        """Kill everything that runs and close."""
        for key in list(self._entries):
            self._drop(key)
        for client in list(self._clients.values()):
            self._leave(client)
        self._listener.close()
        self._poll.close()
        self._path.unlink(missing_ok=True)
        self._groups.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        """Listen under another name first: who finds the socket can connect."""
        draft = self._path.with_suffix(".new")
        draft.unlink(missing_ok=True)
        listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        listener.bind(os.fspath(draft))
        draft.chmod(0o600)
        listener.listen()
        draft.rename(self._path)
        self._poll.register(listener, select.EPOLLIN)
        return listener

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self._clients[client.fileno()] = client
            self._poll.register(client, select.EPOLLIN)

    def _leave(self, client: socket.socket) -> None:
        self._poll.unregister(client)
        self._watchers.discard(client.fileno())
        del self._clients[client.fileno()]
        client.close()

    def _serve(self, client: socket.socket) -> None:
        try:
            packet = receive_packet(client)
            if packet is None:
                self._leave(client)
                return
            answer, file = self._answer(client, *packet)
            send_packet(client, answer, file)
        except BlockingIOError:
            return
        except (OSError, ValueError, InfrastructureError):
            self._leave(client)

    def _answer(
        self, client: socket.socket, message: dict[str, object], file: int | None
    ) -> tuple[dict[str, object], int | None]:
        try:
            return self._do(client, message, file)
        except (OSError, KeyError, TypeError, ValueError, LabqError) as error:
            return {"error": f"{message.get('op')}: {error}"}, None

    def _do(
        self, client: socket.socket, message: dict[str, object], file: int | None
    ) -> tuple[dict[str, object], int | None]:
        key = str(message.get("key", ""))
        match message["op"]:
            case "spawn":
                return self._spawn(key, message)
            case "keep" if file is not None:
                self._keep(key, file)
            case "take":
                return {}, self._entries[key].file
            case "list":
                return {"entries": list(self._listed())}, None
            case "signal":
                self._signal(key, int(str(message["signal"])))
            case "drop":
                self._drop(key)
            case "watch":
                self._watchers.add(client.fileno())
            case other:
                raise InfrastructureError(f"the keeper cannot do {other}")
        return {}, None

    def _spawn(self, key: str, message: dict[str, object]) -> tuple[dict[str, object], int | None]:
        argv, environment = message["argv"], message["env"]
        if not isinstance(argv, list) or not isinstance(environment, dict):
            raise InfrastructureError("argv is no list or env no object")
        self._drop(key)
        ours, theirs = _ends(str(message["io"]))
        try:
            process = _started(argv, environment, str(message["cwd"]), theirs)
        except (OSError, ValueError):
            if ours is not None:
                os.close(ours)
            raise
        finally:
            if theirs is not None:
                os.close(theirs)
        offer_to_oom(process.pid)
        watch = os.pidfd_open(process.pid)
        self._poll.register(watch, select.EPOLLIN)
        self._exits[watch] = key
        self._entries[key] = _Entry(process, watch, ours)
        self._save()
        return {"pid": process.pid}, ours

    def _keep(self, key: str, file: int) -> None:
        entry = self._entries.setdefault(key, _Entry())
        if entry.file is not None:
            os.close(entry.file)
        entry.file = file

    def _listed(self) -> Iterator[dict[str, object]]:
        for key, entry in self._entries.items():
            pid = entry.process.pid if entry.process else None
            yield {"key": key, "pid": pid, "code": entry.code, "fd": entry.file is not None}

    def _signal(self, key: str, number: int) -> None:
        """Ask the leader, as a terminal that hangs up does; kill the whole group.

        A bench may be gone before it can kill what did not end when asked. Half a group that has
        ended would leave a device that only seems to be as it was.
        """
        entry = self._entries[key]
        if entry.process is None or entry.code is not None:
            return
        send = os.killpg if number == signal.SIGKILL else os.kill
        with contextlib.suppress(ProcessLookupError):
            send(entry.process.pid, number)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        if entry.process:
            end_group(entry.process)
        if entry.watch is not None:
            self._unwatch(entry.watch)
        if entry.file is not None:
            os.close(entry.file)
        self._save()

    def _ended(self, watch: int) -> None:
        key = self._exits[watch]
        self._unwatch(watch)
        entry = self._entries[key]
        entry.watch = None
        if entry.process:
            entry.code = end_group(entry.process)
        self._save()
        for watcher in list(self._watchers):
            client = self._clients[watcher]
            try:
                send_packet(client, {"exited": key, "code": entry.code}, None)
            except InfrastructureError:
                self._leave(client)

    def _unwatch(self, watch: int) -> None:
        self._poll.unregister(watch)
        del self._exits[watch]
        os.close(watch)

    def _save(self) -> None:
        running = [
            {"pid": entry.process.pid, "start": start_time(entry.process.pid)}
            for entry in self._entries.values()
            if entry.process and entry.code is None
        ]
        temporary = self._groups.with_suffix(".json.new")
        with contextlib.suppress(OSError):
            # On a full disk the mark in the environment is enough (`labq.supervisor.remains`).
            temporary.write_text(json.dumps({"boot": boot_id(), "running": running}))
            temporary.replace(self._groups)


def _ends(io: str) -> tuple[int | None, int | None]:
    """Return our end and the process's end of its terminal."""
    if io == "pty":
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, _WINDOW)
        return ours, theirs
    if io == "socketpair":
        left, right = socket.socketpair()
        return left.detach(), right.detach()
    return None, None


def _started(
    argv: list[str], environment: dict[str, str], cwd: str, terminal: int | None
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own; a terminal becomes its controlling one.

    Nothing runs in the child before its first program: so it need not be a copy of this process,
    which would cost ten times as much.
    """
    end = subprocess.DEVNULL if terminal is None else terminal
    words = [str(word) for word in argv]
    if shutil.which(words[0], path=str(environment.get("PATH", os.defpath))) is None:
        raise FileNotFoundError(f"there is no program {words[0]}")
    if terminal is not None and os.isatty(terminal):
        words = [*_ON_TERMINAL, os.ttyname(terminal), *words]
    return subprocess.Popen(
        words,
        env={**_mark(), **{str(name): str(value) for name, value in environment.items()}},
        cwd=cwd,
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
    )


def _mark() -> dict[str, str]:
    """Return what tells a later supervisor that this one started the process."""
    return {LIFE: os.environ[LIFE]} if LIFE in os.environ else {}


def _stop_ignoring() -> None:
    """Give children the default of signals that this process was started to ignore (nohup).

    A handler that does nothing ignores them as well here, and does not outlive an exec.
    """
    for number in _TERMINAL_SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
