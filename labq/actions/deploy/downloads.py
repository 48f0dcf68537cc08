"""Deploy `downloads`: fetch images for later blocks, after work on them in a container."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters, Docker, Images, Parameters
from labq.actions.values import Flag, Maybe, Text
from labq.domain.plan import Queue, StepKind


class PostprocessDocker(Docker):
    """A container that runs `steps` in the folder of the images."""

    steps: list[Text]


class Postprocess(Parameters):
    """What is done with the images."""

    docker: PostprocessDocker


class DownloadsParameters(DeployParameters):
    """The block of `to: downloads`; `uniquify` gives each image a folder of its own."""

    images: Images[Artifact]
    postprocess: Maybe[Postprocess] = None
    uniquify: Flag = False


METHOD = Method(
    name="downloads",
    action="downloads",
    parameters=DownloadsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.DEPLOY,
)
