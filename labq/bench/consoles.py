"""The consoles of one run, and the emulator that is its device: opened late, closed always."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from labq.bench import emulator, placeholders
from labq.bench.channel import Channel
from labq.bench.claims import MARK
from labq.bench.faults import Faults
from labq.bench.ports import Ports, declare, path_of
from labq.bench.run import BenchRun
from labq.benchlink.keeper import KeeperClient, Kept
from labq.benchlink.messages import Start
from labq.benchlink.records import Kind
from labq.domain.deadline import Deadline
from labq.domain.errors import ConfigurationError, InfrastructureError, LabqError
from labq.domain.plan import ConsoleSpec
from labq.domain.verdicts import Level
from labq.drivers.console import CONSOLES
from labq.drivers.console.emulator_socket import accept, listen
from labq.hw.driver import Place
from labq.hw.process import Spawner

CONNECT_SECONDS = 10.0
HANG_UP_SECONDS = 0.5
KILL_SECONDS = 10.0


class Consoles:
    """Opens, keeps and closes. The keeper has each descriptor under `<run>/<channel>`."""

    def __init__(
        self, run: BenchRun, keeper: KeeperClient, *, tftp: Path, spawner: Spawner, faults: Faults
    ) -> None:
        self._run = run
        self._ports = Ports(run, faults, self._connect_kept)
        self._keeper = keeper
        self._spawner = spawner
        self._tftp = tftp
        self._open: dict[str, Channel] = {}
        self._running: dict[str, asyncio.Event] = {}
        self._lock = asyncio.Lock()

    async def open(self, name: str) -> None:
        """Open a channel if it is not open; raises InfrastructureError when that fails."""
        async with self._lock:
            if name in self._open or self._ports.is_absent(name):
                return
            spec = self._spec(name)
            path = path_of(spec)
            if path and not path.exists():
                self._run.record(Kind.OPENED, b"{}", channel=name)
                self._await_port(name, f"waits for serial port {path}, which is not there")
                return
            key = self._key(name)
            if spec.kind == "pty":
                self._running[key] = asyncio.Event()
            file = await asyncio.to_thread(self._driver(spec), spec, self._place(name))
            self._connect(name, file, key if spec.kind == "pty" else None)
            if spec.kind != "pty":
                await asyncio.to_thread(self._keeper.keep, key, file)

    async def disconnect(self, name: str) -> None:
        """Close a channel and end the command behind it."""
        async with self._lock:
            await self._close(name)

    async def close_all(self) -> None:
        """Close all channels, end the emulator, and leave nothing with the keeper."""
        async with self._lock:
            await self._stop()
            for name in [*self._open, *self._ports.absent]:
                await self._close(name)
            prefix, locks = self._key(""), self._key(MARK)
            for entry in await asyncio.to_thread(self._keeper.entries):
                if entry.key.startswith(prefix) and not entry.key.startswith(locks):
                    await self._drop(entry.key)

    async def start(self, request: Start) -> None:
        """Start an emulator in place of one that runs."""
        async with self._lock:
            await self._stop()
            await asyncio.to_thread(emulator.write_start, self._run.folder, request)
            await self._launch(request)

    async def start_again(self) -> None:
        """Start the emulator as it was started last, if it does not run."""
        async with self._lock:
            if self._key(emulator.PROCESS) in self._running:
                return
            request = emulator.read_start(self._run.folder)
            if request is None:
                raise InfrastructureError("no emulator was started yet")
            await self._launch(request)

    async def stop(self) -> None:
        """End the emulator."""
        async with self._lock:
            await self._stop()

    async def send(self, name: str, number: int, data: bytes, delay: float) -> None:
        """Send to an open channel; raises InfrastructureError when it is closed."""
        await self._ports.arrival(name)
        channel = self._open.get(name)
        if channel:
            await channel.send(number, data, delay)
        elif self._run.emissions.sent.get(number, 0) < len(data):
            raise InfrastructureError(f"console {name} is closed")

    def exited(self, key: str, code: int) -> None:
        """Take in that a process of the keeper ended."""
        ended = self._running.pop(key, None)
        is_emulator = key == self._key(emulator.PROCESS)
        text = f"{'the emulator' if is_emulator else 'the connection command'} "
        text += emulator.ending(code)
        channels = [item for item in self._open.values() if item.process == key]
        if not any(item.asked for item in channels):
            self._run.say(Level.DEBUG if code == 0 else Level.WARNING, text)
        for channel in channels:
            channel.end(text)
        if ended:
            ended.set()

    async def take_back(self, kept: Iterable[Kept]) -> None:
        """Go on with what the bench before this one had open; say that something may be missing."""
        entries = {entry.key.partition("/")[2]: entry for entry in kept}
        entries = {name: entry for name, entry in entries.items() if not name.startswith(MARK)}
        request = emulator.read_start(self._run.folder)
        for entry in entries.values():
            if entry.pid is not None and entry.code is None:
                self._running[entry.key] = asyncio.Event()
        for name, entry in entries.items():
            channel, process = self._meaning(name, request, entry)
            if channel and entry.has_descriptor:
                file = await asyncio.to_thread(self._keeper.take, entry.key)
                text = "the bench was restarted: what buffers could not hold may be missing here"
                declare(self._run, channel, text, Level.DEBUG)
                self._attach(channel, file, process)
        if request and emulator.LISTENER in entries and request.channel not in entries:
            await self._accept_late(request)
        for entry in entries.values():
            if entry.code is not None:
                self.exited(entry.key, entry.code)

    def known(self) -> dict[str, str]:
        """Return what placeholders in commands stand for."""
        return placeholders.values(self._run.folder, self._tftp, self._run.remembered())

    def lost_channels(self) -> list[str]:
        """Return the channels that the journal calls open and that are not."""
        state: dict[str, bool] = {}
        for record in self._run.journal.records():
            if record.kind in (Kind.OPENED, Kind.CLOSED):
                state[record.channel] = record.kind == Kind.OPENED
        return [
            name
            for name, is_open in state.items()
            if is_open and name not in self._open and not self._ports.is_absent(name)
        ]

    def declare_lost(self) -> None:
        """Say in the journal which consoles did not outlive the bench before this one."""
        for name in self.lost_channels():
            if path := self._path(name):
                self._await_port(
                    name, f"serial port {path} is opened again: output may be missing here"
                )
                continue
            text = "the connection did not outlive a restart of the host's supervisor"
            data = json.dumps({"text": text, "asked": False, "lost": True}).encode()
            self._run.record(Kind.CLOSED, data, channel=name)
            declare(self._run, name, f"{text}: output may be missing here", Level.WARNING)

    async def _launch(self, request: Start) -> None:
        key = self._key(emulator.PROCESS)
        self._running[key] = asyncio.Event()
        listener = await self._listen(request)
        try:
            process = emulator.process_of(request, self.known())
            file = await asyncio.to_thread(self._spawner.spawn, key, process)
            if file is not None:
                self._connect(emulator.channels_of(request)[0], file, key)
            if listener:
                await self._accept(listener, request)
        except InfrastructureError:
            self._running.pop(key, None)
            raise
        finally:
            if listener:
                listener.close()

    async def _listen(self, request: Start) -> socket.socket | None:
        if request.socket is None:
            return None
        listener = listen(Path(request.socket))
        key = self._key(emulator.LISTENER)
        await asyncio.to_thread(self._keeper.keep, key, listener.fileno())
        return listener

    async def _accept(self, listener: socket.socket, request: Start) -> None:
        deadline = Deadline.after(CONNECT_SECONDS)
        file = await asyncio.to_thread(accept, listener, deadline)
        key = self._key(request.channel)
        await asyncio.to_thread(self._keeper.keep, key, file)
        self._connect(request.channel, file, self._key(emulator.PROCESS))
        await self._drop(self._key(emulator.LISTENER))

    async def _accept_late(self, request: Start) -> None:
        """Accept what the emulator connected while no bench was there."""
        file = await asyncio.to_thread(self._keeper.take, self._key(emulator.LISTENER))
        with socket.socket(fileno=file) as listener:
            try:
                await self._accept(listener, request)
            except InfrastructureError as error:
                self._run.say(Level.WARNING, str(error))

    async def _stop(self) -> None:
        key = self._key(emulator.PROCESS)
        for channel in self._open.values():
            channel.asked = channel.asked or channel.process == key
        if not await self._end_process(key, signal.SIGTERM):
            raise InfrastructureError("the emulator does not end, not even when it is killed")

    async def _close(self, name: str) -> None:
        if self._ports.is_absent(name):
            self._ports.forget(name)
            data = json.dumps({"text": "closed", "asked": True}).encode()
            self._run.record(Kind.CLOSED, data, channel=name)
        channel = self._open.get(name)
        if channel is None:
            return
        channel.asked = True
        if channel.process == self._key(name):
            await self._end_process(channel.process, signal.SIGHUP)
        channel.end("closed")
        await self._drop(self._key(name))

    async def _end_process(self, key: str, politely: signal.Signals) -> bool:
        """End a process: by a signal, and by force when it does not end at once; tell if it did."""
        for number, seconds in ((politely, HANG_UP_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            ended = self._running.get(key)
            if ended is None:
                break
            await asyncio.to_thread(self._keeper.signal, key, number)
            try:
                async with asyncio.timeout(seconds):
                    await ended.wait()
            except TimeoutError:
                continue
        is_left = self._running.pop(key, None) is not None
        await self._drop(key)
        return not is_left

    async def _drop(self, key: str) -> None:
        await asyncio.to_thread(self._keeper.drop, key)

    def _connect(self, name: str, file: int, process: str | None) -> None:
        self._run.record(Kind.OPENED, b"{}", channel=name)
        self._attach(name, file, process)

    def _attach(self, name: str, file: int, process: str | None) -> None:
        """Read a descriptor as a channel that is open already, as the journal has it."""
        channel = Channel(name, file, self._run, self._forget)
        channel.process = process
        if process is None and self._path(name):
            channel.vanished = partial(self._vanished, name)
        self._open[name] = channel

    async def _connect_kept(self, name: str, file: int) -> None:
        """Connect a port that has come, and give it into keeping."""
        async with self._lock:
            self._attach(name, file, None)
            await asyncio.to_thread(self._keeper.keep, self._key(name), file)

    def _vanished(self, name: str) -> None:
        """A port is gone, by a power cycle or because its cable was moved: it is waited for."""
        text = f"serial port {self._path(name)} is gone: what it says until it is back is missing"
        try:
            # Whoever keeps the old port open keeps its name from the new one.
            self._keeper.drop(self._key(name))
            self._await_port(name, text)
        except LabqError as error:
            self._run.failed(error)

    def _await_port(self, name: str, text: str) -> None:
        declare(self._run, name, text)
        spec = self._spec(name)
        if path := path_of(spec):
            opening = partial(self._driver(spec), spec, self._place(name))
            self._ports.wait_for(name, path, opening)

    def _path(self, name: str) -> Path | None:
        """Return the serial port that a console of the device is, None for other consoles."""
        found = (path_of(spec) for spec in self._run.plan.consoles if spec.channel == name)
        return next(found, None)

    def _driver(self, spec: ConsoleSpec) -> Callable[[ConsoleSpec, Place], int]:
        driver = next((item for item in CONSOLES if item.kind == spec.kind), None)
        if driver is None:
            raise InfrastructureError(f"console {spec.channel}: the emulator does not run")
        return driver.open

    def _place(self, name: str) -> Place:
        folder = self._run.folder / "files"
        return Place(key=self._key(name), folder=folder, spawner=self._spawner)

    def _forget(self, channel: Channel) -> None:
        if self._open.get(channel.name) is channel:
            del self._open[channel.name]

    def _meaning(
        self, name: str, request: Start | None, entry: Kept
    ) -> tuple[str | None, str | None]:
        """Return the channel that an entry of the keeper is, and the process behind it."""
        machine = self._key(emulator.PROCESS)
        if name == emulator.PROCESS:
            return (emulator.channels_of(request)[0] if request else None), machine
        if name == emulator.LISTENER:
            return None, None
        if entry.pid is not None:
            return name, entry.key
        return name, (machine if request and name in emulator.channels_of(request) else None)

    def _spec(self, name: str) -> ConsoleSpec:
        for spec in self._run.plan.consoles:
            if spec.channel == name:
                return replace(spec, command=placeholders.in_command(spec.command, self.known()))
        raise ConfigurationError(f"the device has no console {name}")

    def _key(self, name: str) -> str:
        return f"{self._run.plan.run}/{name}"
