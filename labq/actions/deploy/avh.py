"""Deploy `avh`: images for a virtual board of Arm's service."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, ModelWrapValidatorHandler, ValidationInfo, model_validator

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Images, Parameters, first_of_forms
from labq.actions.values import Index, Level, Maybe, Text, is_run, refused
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

    @model_validator(mode="wrap")
    @classmethod
    def _has_one_form(
        cls, data: Any, handler: ModelWrapValidatorHandler[AvhParameters], info: ValidationInfo
    ) -> AvhParameters:
        forms = ("images", "fw_package")
        if not isinstance(data, dict):
            return handler(data)
        found = [key for key in forms if key in data and not (is_run(info) and data[key] is None)]
        if not found:
            raise refused("needs one of the keys: images, fw_package")
        if len(found) > 1 and info.context is Level.LAX:
            return first_of_forms(data, handler, [(forms[1],), (forms[0],)])
        if len(found) > 1:
            raise refused("only one of images, fw_package may stand here")
        return handler(data)


METHOD = Method(
    name="avh",
    action="deploy-avh",
    parameters=AvhParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
