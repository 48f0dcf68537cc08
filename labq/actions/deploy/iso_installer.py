"""Deploy `iso-installer`: what an installer needs to install a system on an empty disk."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Parameters
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind


class IsoImage(Artifact):
    """The medium; `{iso}` in `image_arg` becomes its path."""

    image_arg: Text = ""


class IsoImages(Parameters):
    """The medium and the answers for the installer."""

    iso: IsoImage
    preseed: Artifact


class IsoOptions(Parameters):
    """Size of the disk (such as `8G`) and where kernel and initrd are on the medium."""

    installation_size: Text
    kernel: Text = ""
    initrd: Text = ""


class IsoInstallerParameters(DeployParameters):
    """The block of `to: iso-installer`."""

    images: IsoImages
    iso: IsoOptions


METHOD = Method(
    name="iso-installer",
    action="deploy-iso-installer",
    parameters=IsoInstallerParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
