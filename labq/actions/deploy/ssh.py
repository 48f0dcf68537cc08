"""Deploy `ssh`: copy files and the overlay to a host that runs already."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.values import Maybe
from labq.domain.plan import Queue, StepKind


class SshParameters(DeployParameters):
    """The block of `to: ssh`."""

    firmware: Maybe[Artifact] = None
    kernel: Maybe[Artifact] = None
    rootfs: Maybe[Artifact] = None
    modules: Maybe[Artifact] = None


METHOD = Method(
    name="ssh",
    action="scp-deploy",
    parameters=SshParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
