"""Boot `ssh`: log in to a running host by ssh."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootKeys, Parameters
from labq.actions.values import Prompts, Text
from labq.domain.plan import Queue, StepKind


class SshPeer(Parameters):
    """Where the address comes from: the message `hostID`, its key `host_key`."""

    host_id: Text = Field(default="", alias="hostID")
    host_key: Text = ""


class SshBootParameters(BootKeys):
    """The block of `method: ssh`."""

    prompts: Prompts = Field(default_factory=list)
    parameters: SshPeer = Field(default_factory=SshPeer)


METHOD = Method(
    name="ssh",
    action="login-ssh",
    parameters=SshBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
