"""Deploy `mps`: copy images to the mass storage of an Arm MPS board."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.values import Level, Text, is_run, refusals, refused
from labq.domain.plan import Queue, StepKind

_TEST_BINARY = re.compile(r"test_binary(_\w+)?$")


class MpsImage(Artifact):
    """One image; `rename` is its name on the board."""

    rename: Text = ""


def _known_labels(value: object, info: ValidationInfo) -> object:
    if is_run(info) or not isinstance(value, dict):
        return value
    if not value:
        raise refused("must not be empty")
    known = {key: one for key, one in value.items() if _is_known(key)}
    if info.context is Level.STRICT and len(known) < len(value):
        odd = [key for key in value if key not in known]
        raise refusals(
            *(((str(key),), "must be recovery_image, test_binary or test_binary_*") for key in odd)
        )
    return known


def _is_known(key: object) -> bool:
    return type(key) is str and (key == "recovery_image" or bool(_TEST_BINARY.match(key)))


class MpsParameters(DeployParameters):
    """The block of `to: mps`: images `recovery_image`, `test_binary` and `test_binary_*`."""

    images: Annotated[dict[str, MpsImage], BeforeValidator(_known_labels)]


METHOD = Method(
    name="mps",
    action="mps-deploy",
    parameters=MpsParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
)
