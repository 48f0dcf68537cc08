"""Deploy `uuu`: fetch images for NXP's universal update utility."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.values import Flag, Index, Labelled, Maybe, refused
from labq.domain.plan import Queue, StepKind


class UuuImage(Artifact):
    """One image; with `apply-overlay` the tests are written into it."""

    apply_overlay: Flag = Field(default=False, alias="apply-overlay")
    root_partition: Maybe[Index] = None


def _has_boot(value: dict[str, UuuImage]) -> dict[str, UuuImage]:
    if "boot" not in value:
        raise refused("needs the key 'boot'")
    return value


class UuuParameters(DeployParameters):
    """The block of `to: uuu`; the image `boot` starts the board."""

    images: Annotated[Labelled[UuuImage], AfterValidator(_has_boot)]


METHOD = Method(
    name="uuu",
    action="uuu-deploy",
    parameters=UuuParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
)
