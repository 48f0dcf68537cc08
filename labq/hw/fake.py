"""A scripted device and session: no processes, no clock but its own. For tests and dry runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.orders import GroupMail
from labq.domain.plan import Plan, PlanStep
from labq.domain.verdicts import CaseResult, Level
from labq.hw.console import Chunk, ConsoleClosedError
from labq.hw.session import Emulator, Finished


@dataclass(frozen=True, slots=True)
class Say:
    """What the device sends `after` seconds."""

    data: bytes
    after: float = 0.0


Answer = Callable[[bytes], Sequence[Say]]


def stay_silent(_sent: bytes) -> Sequence[Say]:
    """Answer nothing."""
    return ()


class FakeConsole:
    """A console on its own clock: says `script`, then what `answer` makes of each sent text."""

    def __init__(
        self,
        script: Sequence[Say | bytes] = (),
        answer: Answer = stay_silent,
        *,
        channel: str = "serial",
        closes: bool = False,
    ) -> None:
        self.channel = channel
        self.sent: list[bytes] = []
        self.sent_at: list[float] = []
        self.delays: list[float] = []
        self.closes = closes
        self._answer = answer
        self._clock = 0.0
        self._offset = 0
        self._due: deque[tuple[float, bytes]] = deque()
        self.say(*script)

    def say(self, *script: Say | bytes) -> None:
        """Queue more output."""
        at = max(self._clock, self._due[-1][0] if self._due else 0.0)
        for item in script:
            say = item if isinstance(item, Say) else Say(item)
            at += say.after
            self._due.append((at, say.data))

    def now(self) -> float:
        """Return the scripted clock."""
        return self._clock

    def read(self, deadline: Deadline) -> Chunk | None:
        """Return the next scripted piece that is due by `deadline`."""
        if self._due and self._due[0][0] <= deadline.at:
            self._clock, data = self._due.popleft()
            chunk = Chunk(data, self._offset, self._clock)
            self._offset += len(data)
            return chunk
        if not self._due and self.closes:
            raise ConsoleClosedError(f"console {self.channel} is closed")
        self._clock = max(self._clock, deadline.at)
        return None

    def send(self, data: bytes, delay: float = 0.0) -> None:
        """Record the bytes and queue the answer."""
        self.sent.append(data)
        self.sent_at.append(self._clock)
        self.delays.append(delay)
        self._clock += delay * len(data)
        self.say(*self._answer(data))


class FakePower:
    """Records what was asked; commands named in `broken` fail."""

    def __init__(self, *, resets: bool = True, broken: Sequence[str] = ()) -> None:
        self.calls: list[str] = []
        self._resets = resets
        self._broken = broken

    def on(self) -> None:
        """Record `on`."""
        self.run("on")

    def off(self) -> None:
        """Record `off`."""
        self.run("off")

    def reset(self) -> None:
        """Record `reset`."""
        self.run("reset")

    def can_reset(self) -> bool:
        """Return what the fake was made with."""
        return self._resets

    def run(self, name: str) -> None:
        """Record the command."""
        self.calls.append(name)
        if name in self._broken:
            raise InfrastructureError(f"power command {name!r} failed")


class FakeGroup:
    """A line to a group on its own clock: hears `script`, then what `answer` makes of what is told.

    In the script stands how long after the one before a message comes.
    """

    def __init__(
        self,
        script: Sequence[tuple[float, GroupMail]] = (),
        answer: Callable[[str, str], Sequence[GroupMail]] = lambda _sort, _name: (),
    ) -> None:
        self.told: list[tuple[str, str, dict[str, str]]] = []
        self.calls: list[str] = []
        self.heard: list[GroupMail] = []
        self._answer = answer
        self._clock = 0.0
        self._due: deque[tuple[float, GroupMail]] = deque()
        for after, mail in script:
            self._due.append(((self._due[-1][0] if self._due else 0.0) + after, mail))

    def now(self) -> float:
        """Return the scripted clock."""
        return self._clock

    def tell(self, sort: str, name: str, data: Mapping[str, str]) -> None:
        """Record what is told, and hear the answer at once."""
        self.told.append((sort, name, dict(data)))
        self._due.extendleft(reversed([(self._clock, one) for one in self._answer(sort, name)]))

    def read(self, deadline: Deadline) -> tuple[GroupMail, ...] | None:
        """Return the next message that is due by `deadline`."""
        if self._due and self._due[0][0] <= deadline.at:
            at, mail = self._due.popleft()
            self._clock = max(self._clock, at)
            self.heard.append(mail)
            return (mail,)
        self._clock = max(self._clock, deadline.at)
        return None

    def rest(self) -> None:
        """Record it."""
        self.calls.append("rest")

    def resume(self) -> None:
        """Record it."""
        self.calls.append("resume")


@dataclass(slots=True)
class FakeSession:
    """A session that keeps everything in lists."""

    plan: Plan
    step: PlanStep
    folder: Path = Path("/nonexistent")
    consoles: dict[str, FakeConsole] = field(default_factory=dict)
    power: FakePower = field(default_factory=FakePower)
    lines: list[tuple[Level, str]] = field(default_factory=list)
    results: list[CaseResult] = field(default_factory=list)
    memory: dict[str, object] = field(default_factory=dict)
    emulators: list[Emulator] = field(default_factory=list)
    commands: list[tuple[str, ...]] = field(default_factory=list)
    disconnected: list[str] = field(default_factory=list)
    group: FakeGroup = field(default_factory=FakeGroup)
    kept_consoles: int = 0
    finish: Finished = field(default_factory=lambda: Finished(0, ""))

    @property
    def artifacts(self) -> Path:
        """Return the folder beside `folder`."""
        return self.folder.with_name("artifacts")

    def keep_consoles(self) -> None:
        """Record that it was asked for."""
        self.kept_consoles += 1

    def console(self, channel: str | None = None) -> FakeConsole:
        """Return the named channel, else the step's, else the first."""
        name = channel or self.step.channel or next(iter(self.consoles), "serial")
        if name not in self.consoles:
            raise InfrastructureError(f"the device has no console {name!r}")
        return self.consoles[name]

    def disconnect(self, channel: str) -> None:
        """Record the channel."""
        self.disconnected.append(channel)

    def start(self, emulator: Emulator) -> FakeConsole:
        """Record the emulator and return its channel."""
        self.emulators.append(emulator)
        return self.console(emulator.channel)

    def run(self, argv: Sequence[str], deadline: Deadline, cwd: Path | None = None) -> Finished:
        """Record the command and return `finish`."""
        del deadline, cwd
        self.commands.append(tuple(argv))
        return self.finish

    def log(self, level: Level, message: str) -> int:
        """Append a line."""
        self.lines.append((level, message))
        return len(self.lines) - 1

    def report(self, result: CaseResult) -> None:
        """Append a result."""
        self.results.append(result)

    def remember(self, key: str, value: object) -> None:
        """Keep a value."""
        self.memory[key] = value

    def recall(self, key: str) -> object:
        """Return a value, None without it."""
        return self.memory.get(key)
