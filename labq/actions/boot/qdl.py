"""Boot `qdl`: push images to a Qualcomm board in its emergency download mode."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootBlock, Docker
from labq.actions.values import Flag, Maybe, Text
from labq.domain.plan import Queue, StepKind


class QdlBootParameters(BootBlock):
    """The block of `method: qdl`; files are named as they are in the deployed archive."""

    firehose_program: Text
    rawprogram: Text
    patch: Text = ""
    path: Text = ""
    storage: Text = ""
    debug: Flag = False
    docker: Maybe[Docker] = None


METHOD = Method(
    name="qdl",
    action="boot-qdl-retry",
    parameters=QdlBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
)
