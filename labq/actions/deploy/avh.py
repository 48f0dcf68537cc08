"""Deploy `avh`: images for a virtual board of Arm's service."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, model_validator

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images, Parameters
from labq.actions.values import Index, Level, Maybe, Text, refused
from labq.domain.plan import Queue, StepKind


class AvhImage(Artifact):
    """One image; kernels are of the kind Image."""

    plain_keys: ClassVar = frozenset({"format"})
    plain_formats: ClassVar[tuple[str, ...]] = ("ext4",)

    root_partition: Maybe[Index] = None
    type: Maybe[Literal["image"]] = None


class AvhPackage(AvhImage):
    """A whole firmware package; `storage_file` is the disk image in it."""

    storage_file: Text = ""


class AvhOptions(Parameters):
    """What the service is asked for."""

    model: Text = ""
    api_endpoint: Text = ""
    project_name: Text = ""


class AvhParameters(DeployParameters):
    """The block of `to: avh`: either `images` or `fw_package`."""

    images: Maybe[Images[AvhImage]] = None
    fw_package: Maybe[AvhPackage] = None
    options: AvhOptions = Field(default_factory=AvhOptions)

    @model_validator(mode="after")
    def _has_images(self, info: ValidationInfo) -> AvhParameters:
        if self.images is None and self.fw_package is None:
            raise refused("needs one of the keys: images, fw_package")
        if info.context is Level.STRICT and self.images and self.fw_package:
            raise refused("only one of images, fw_package may stand here")
        return self


METHOD = Method(
    name="avh",
    parameters=AvhParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
