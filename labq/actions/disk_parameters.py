"""What deploys to a disk of the running device say, whatever the disk hangs on."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, model_validator

from labq.actions.parameters import Artifact, DeployParameters, DiskImage, Parameters
from labq.actions.values import Flag, Labelled, Maybe, Text, refused


class Tool(Parameters):
    """A program on the device, its options and the prompt that it ends with."""

    tool: Text
    options: Text
    prompt: Text


class ToolPrompts(Parameters):
    """What the program may ask."""

    prompts: list[Text]


def _has_image(value: dict[str, Artifact]) -> dict[str, Artifact]:
    if "image" not in value:
        raise refused("needs the key 'image'")
    return value


class DiskParameters(DeployParameters):
    """The block of `to: usb`, `sata` and `sd`: either `image`, or `images` with it and others.

    `device` names the disk in the dictionary's `parameters.media`.
    """

    device: Text
    image: Maybe[DiskImage] = None
    images: Maybe[Annotated[Labelled[Artifact], AfterValidator(_has_image)]] = None
    download: Maybe[Tool] = None
    writer: Maybe[Tool] = None
    tool: Maybe[ToolPrompts] = None
    uniquify: Flag = True

    @model_validator(mode="after")
    def _has_one_image(self) -> DiskParameters:
        if self.image is not None and self.images is not None:
            raise refused("only one of image, images may stand here")
        return self
