"""The plan: one job on one device resolved to ordered steps. Written by the server, read by hosts.

Plans travel as JSON (`labq.plans`); nothing here knows how a method works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

PLAN_FORMAT = 1


class StepKind(StrEnum):
    """What a step does; also the name of its Celery task."""

    DOWNLOAD = "download"
    DEPLOY = "deploy"
    BOOT = "boot"
    TEST = "test"
    COLLECT = "collect"


class Queue(StrEnum):
    """Kinds of work on a host: the Celery queue is `<host>.<queue>`, the slots have its name."""

    DOWNLOAD = "download"
    DEPLOY = "deploy"
    FASTBOOT = "fastboot"
    BOOT = "boot"
    TEST = "test"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Durations in seconds for the inner actions of one block (resolved in LAVA's order).

    `block` is the whole of the block, all its tries. `action` and `connection` are the defaults of
    inner actions (`action` is one try's share where the block has a timeout); the mappings name
    inner actions (`http-download`, `auto-login-action`, ...) and win, already in LAVA's order.
    `scale` is the factor for a slow host or site that is in all of them.
    """

    block: float
    action: float = 30.0
    connection: float = 30.0
    actions: Mapping[str, float] = field(default_factory=dict)
    connections: Mapping[str, float] = field(default_factory=dict)
    skip: bool = False
    scale: float = 1.0

    def of(self, action: str) -> float:
        """Return how long the inner action may take, at most the block."""
        return min(self.actions.get(action, self.action), self.block)

    def silence(self, action: str) -> float:
        """Return the longest wait for the console within the inner action."""
        return self.connections.get(action, self.connection)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSpec:
    """How the bench opens one channel.

    kind `pty`: `command` is run by `sh -c` in a pseudo terminal. kind `url`: a pyserial URL or
    `unix:///path`. kind `emulator`: the console of the process that a step starts. `needs_power`:
    its serial port is there only while the board has power. `namespace` is what the log calls it
    while other consoles are worked at (empty: the channel's name).
    """

    channel: str
    kind: str
    primary: bool = True
    command: str = ""
    url: str = ""
    needs_power: bool = False
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSpec:
    """How the bench switches the device. kind: `command`, `emulator` or `none`.

    The command lists run in order by `sh -c`; an empty list means that the device cannot do it.
    For `emulator`, off ends the process of the step's emulator and on starts it again. `state` is
    a command that tells whether there is power, and `state_off` what it says when there is none (a
    regular expression).
    """

    kind: str
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()
    reset: tuple[str, ...] = ()
    soft_reboot: tuple[str, ...] = ()
    pre_power: tuple[str, ...] = ()
    pre_os: tuple[str, ...] = ()
    state: str = ""
    state_off: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestDefinition:
    """One item of a test block's `definitions`; `index` counts them per namespace from 0."""

    __test__ = False
    index: int
    name: str
    source: str
    repository: str | Mapping[str, object]
    path: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    branch: str = ""
    revision: str = ""
    shallow: bool = True
    history: bool = True
    recursive: bool = False
    strip_components: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    skip_install: tuple[str, ...] = ()
    kmsg: bool = False
    expected: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestStage:
    """The shell tests of one test action: stage counts them per namespace from 0."""

    __test__ = False
    stage: int
    definitions: tuple[TestDefinition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverlaySpec:
    """What a deploy has to bring to the device so that the tests after it can run."""

    namespace: str
    stages: tuple[TestStage, ...]
    shell: str = "/bin/sh"
    results_dir: str = "/lava-%s"
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One Celery task of the run's chain.

    `action` is the 1-based position of the block in the definition (0: the final `collect`).
    `parameters` is the block as the submitter wrote it, parsed by the method's own model.
    `device` holds what the device dictionary says for this method. `restart_from` is the step to
    go back to when this one is lost. `replays` is true for steps that are a pure function of
    their journal. `deadline` bounds the whole step in seconds, tries included; the bench enforces
    it.
    """

    index: int
    kind: StepKind
    queue: Queue
    name: str
    action: int
    method: str
    namespace: str
    timeouts: Timeouts
    deadline: float
    restart_from: int
    replays: bool = False
    parameters: Mapping[str, object] = field(default_factory=dict)
    device: Mapping[str, object] = field(default_factory=dict)
    connection_namespace: str = ""
    tries: int = 1
    tries_interval: float = 1.0
    repeat: int = 1
    stage: int | None = None
    overlay: OverlaySpec | None = None
    channel: str = ""
    """The console that the step works at; empty: the primary one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """How a run's host sends files that belong to the run: with a token that is good for no other.

    `consoles`: the raw bytes of its consoles are to become such files.
    """

    token: str
    consoles: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """What a run is in its group of jobs.

    `group` is its number, `name` what clients call it. `member` is the id of the run's own job as
    clients see it, `roles` are such ids of all members with their roles, in order. `timeout` is how
    many seconds the others are waited for at the beginning. A guest begins once a member with the
    role `start_role` has said so.
    """

    group: int
    name: str
    member: str
    role: str
    roles: tuple[tuple[str, str], ...]
    timeout: float
    start_role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything a host needs to know of one run; `masks` are secret values to hide in logs."""

    run: int
    job: int
    host: str
    device: str
    device_type: str
    locks: tuple[str, ...]
    steps: tuple[PlanStep, ...]
    dictionary: Mapping[str, object]
    consoles: tuple[ConsoleSpec, ...]
    power: PowerSpec
    job_deadline: float
    priority: int = 50
    tags: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    context: Mapping[str, object] = field(default_factory=dict)
    upload: Upload | None = None
    seat: Seat | None = None
    format: int = PLAN_FORMAT

    @property
    def collect(self) -> int:
        """Return the index of the last step, which always runs."""
        return len(self.steps) - 1


def is_one_job(plan: Plan, other: Plan) -> bool:
    """Tell whether two plans are of one run, or of members of one group, which work together."""
    if plan.run == other.run:
        return True
    return plan.seat is not None and other.seat is not None and plan.seat.group == other.seat.group
