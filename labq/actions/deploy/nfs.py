"""Deploy `nfs`: a root file system by NFS for a device that brings its kernel, or for QEMU."""

from __future__ import annotations

from typing import Any

from pydantic import ModelWrapValidatorHandler, ValidationInfo, model_validator

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images, first_of_forms
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

    @model_validator(mode="wrap")
    @classmethod
    def _has_one_form(
        cls, data: Any, handler: ModelWrapValidatorHandler[NfsParameters], info: ValidationInfo
    ) -> NfsParameters:
        roots = ("nfsrootfs", "modules")
        if isinstance(data, dict) and "images" in data and not is_run(info):
            if info.context is Level.LAX:
                return first_of_forms(data, handler, [("images",), roots])
            beside = [key for key in roots if key in data]
            if beside:
                raise refusals(*(((key,), "may not stand beside 'images'") for key in beside))
        return handler(data)


METHOD = Method(
    name="nfs",
    action="nfs-deploy",
    parameters=NfsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
