"""What a step and the bench say to each other: JSON, one message a line, of bounded length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from labq.domain.errors import ErrorType, Failure, InfrastructureError
from labq.domain.verdicts import CaseResult, Level

MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """The first message: this worker wants the step, or its hold back (with the token)."""

    run: int
    epoch: int
    step: int
    pid: int
    token: str = ""
    op: Literal["begin"] = "begin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Tell me once when the journal is longer than `size`; has no reply but Grew."""

    size: int
    op: Literal["watch"] = "watch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Open a channel's console."""

    channel: str
    op: Literal["open"] = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect:
    """Close a channel's console."""

    channel: str
    op: Literal["disconnect"] = "disconnect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start an emulator in place of the one that runs."""

    argv: tuple[str, ...]
    channel: str
    cwd: str
    environment: Mapping[str, str] = field(default_factory=dict)
    socket: str | None = None
    has_terminal: bool = False
    op: Literal["start"] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Write to a channel; `data` is latin-1 text of the bytes, `number` the emission's."""

    number: int
    channel: str
    data: str
    delay: float = 0.0
    op: Literal["send"] = "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """Append a line to the run's log; the reply is its number."""

    number: int
    level: Level
    message: str
    op: Literal["log"] = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Report a test case; the reply is the number of its log line."""

    number: int
    result: CaseResult
    op: Literal["result"] = "result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Tell the other members of the run's group; see `labq.domain.events.MessageSent`."""

    number: int
    sort: Literal["send", "start"]
    name: str
    data: Mapping[str, str] = field(default_factory=dict)
    op: Literal["tell"] = "tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """Give the step's slot back: it waits for the others of its group."""

    op: Literal["rest"] = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Have a slot again; the reply comes once there is one."""

    op: Literal["resume"] = "resume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Power: `on`, `off`, `reset`, or `run` with the key of a command."""

    what: Literal["on", "off", "reset", "run"]
    name: str = ""
    op: Literal["power"] = "power"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A child in a session of its own waits for `go`; `start` is its start time in clock ticks."""

    pid: int
    start: int
    op: Literal["child"] = "child"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildGone:
    """The child is over."""

    pid: int
    op: Literal["child_gone"] = "child_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Keep a value for later steps; `value` is any JSON value."""

    key: str
    value: object
    op: Literal["remember"] = "remember"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The step is over; the reply is the index of the next one, None after the last."""

    failure: Failure | None = None
    op: Literal["end"] = "end"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainHost:
    """Not of a worker: end all runs and begin none, because of `reason`; without one work again."""

    reason: str
    op: Literal["drain"] = "drain"


Request = (
    Begin
    | DrainHost
    | Watch
    | Open
    | Disconnect
    | Start
    | Send
    | Log
    | Result
    | Tell
    | Rest
    | Resume
    | Switch
    | Child
    | ChildGone
    | Remember
    | End
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The step is yours. Read the journal from `start`; up to `replay` it is the past.

    `cpus` are the logical CPUs of the core that the step owns: its children run there alone.
    `pauses` are from when to when nobody held the step, or its bench was away.
    """

    token: str
    folder: str
    start: int
    replay: int
    cpus: tuple[int, ...] = ()
    pauses: tuple[tuple[float, float], ...] = ()
    op: Literal["granted"] = "granted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The step is not to be run: stale, done already, its run ended."""

    reason: str
    op: Literal["dropped"] = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The end of this step is on disk already."""

    next: int | None
    op: Literal["done"] = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """The hold is lost; nothing more is done for it."""

    reason: str
    op: Literal["fenced"] = "fenced"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grew:
    """The journal is longer than what was asked for."""

    op: Literal["grew"] = "grew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The request is done. `past`: when the journal has this emission from, None for a new one."""

    value: int | None = None
    past: float | None = None
    op: Literal["reply"] = "reply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The request failed."""

    type: ErrorType
    message: str
    op: Literal["refused"] = "refused"


Answer = Granted | Dropped | Done | Fenced | Grew | Reply | Refused

_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="op")])
_ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="op")])


def dump_request(request: Request) -> bytes:
    """Return the message with its line end; raises InfrastructureError when it is too long."""
    return _bounded(_REQUEST.dump_json(request) + b"\n")


def load_request(line: bytes) -> Request:
    """Return the message on a line; raises InfrastructureError for anything else."""
    try:
        return _REQUEST.validate_json(line, strict=True)
    except ValidationError as error:
        raise InfrastructureError(f"not a message to the bench: {error}") from error


def dump_answer(answer: Answer) -> bytes:
    """Return the message with its line end."""
    return _ANSWER.dump_json(answer) + b"\n"


def load_answer(line: bytes) -> Answer:
    """Return the message on a line; raises InfrastructureError for anything else."""
    try:
        return _ANSWER.validate_json(line, strict=True)
    except ValidationError as error:
        raise InfrastructureError(f"not a message of the bench: {error}") from error


def _bounded(line: bytes) -> bytes:
    if len(line) > MOST_BYTES:
        raise InfrastructureError(f"a message of {len(line)} bytes; at most {MOST_BYTES} are sent")
    return line
