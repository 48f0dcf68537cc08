"""Deploy `nfs`: a root file system by NFS for a device that brings its kernel, or for QEMU."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationInfo, model_validator

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images
from labq.actions.values import Level, Maybe, Text, is_run, refusals
from labq.domain.plan import Queue, StepKind


class NfsImage(Artifact):
    """An image for QEMU; `{label}` in `image_arg` becomes its path."""

    image_arg: Text = ""


class NfsParameters(DeployParameters):
    """The block of `to: nfs`: either `nfsrootfs` and `modules`, or `images`."""

    nfsrootfs: Maybe[Artifact] = None
    modules: Maybe[Artifact] = None
    images: Maybe[Images[NfsImage]] = None

    @model_validator(mode="before")
    @classmethod
    def _has_one_form(cls, data: Any, info: ValidationInfo) -> Any:
        """Judge as LAVA does, for which `images` is an unknown key of the first form."""
        if is_run(info) or not isinstance(data, dict) or "images" not in data:
            return data
        if info.context is Level.LAX:
            return {key: data[key] for key in data if key != "images"}
        beside = [key for key in ("nfsrootfs", "modules") if key in data]
        if beside:
            raise refusals(*(((key,), "may not stand beside 'images'") for key in beside))
        return data


METHOD = Method(
    name="nfs",
    parameters=NfsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
