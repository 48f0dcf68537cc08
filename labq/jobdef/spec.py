"""A parsed job definition: what the submitter asks for, before any device is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_PRIORITY = 50
COMMON_NAMESPACE = "common"


class Audience(StrEnum):
    """Who may see a job: everyone, its submitter, members of all the listed groups."""

    PUBLIC = "public"
    PERSONAL = "personal"
    GROUP = "group"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """Who may see a job; `groups` is empty unless the audience is GROUP."""

    audience: Audience
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTimeouts:
    """The definition's `timeouts`, in seconds. `queue` is None without a limit."""

    job: float
    action: float = 30.0
    connection: float = 30.0
    queue: float | None = None
    actions: Mapping[str, float] = field(default_factory=dict)
    connections: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionBlock:
    """One block of `actions`: `kind` is deploy, boot, test or command.

    `position` counts the items of the list from 1; `path` and `line` say where the block stands.
    `parameters` holds JSON values with string keys.
    """

    kind: str
    position: int
    parameters: Mapping[str, object]
    path: str
    line: int | None

    @property
    def namespace(self) -> str:
        """Return the block's namespace, `common` without one."""
        return str(self.parameters.get("namespace") or COMMON_NAMESPACE)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One job definition. `device_type` is empty only for a multinode job.

    `metadata` has its scalars as strings; `notify` and `protocols` are as written (JSON values).
    """

    name: str
    device_type: str
    device: str | None
    worker: str | None
    timeouts: JobTimeouts
    visibility: Visibility
    actions: tuple[ActionBlock, ...]
    priority: int = DEFAULT_PRIORITY
    context: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    notify: Mapping[str, object] = field(default_factory=dict)
    protocols: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_multinode(self) -> bool:
        """Return whether the job is a group of jobs with roles."""
        return "lava-multinode" in self.protocols and not self.is_member

    @property
    def is_member(self) -> bool:
        """Return whether the job is a member of such a group, as it is stored."""
        protocol = self.protocols.get("lava-multinode")
        return isinstance(protocol, Mapping) and {"target_group", "role"} <= protocol.keys()
