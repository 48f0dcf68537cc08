"""Boot `fvp`: start an Arm model in a container."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootParameters, NamedDocker
from labq.actions.values import Flag, Table, Text
from labq.domain.plan import Queue, StepKind


class FvpBootParameters(BootParameters):
    """The block of `method: fvp`.

    `console_string` is a regular expression with the group PORT, each of `feedbacks` one with PORT
    and NAME; `image` is the model's program.
    """

    image: Text
    arguments: list[Text]
    console_string: Text
    docker: NamedDocker
    feedbacks: list[Text] = Field(default_factory=list)
    version_string: Text = r"Fast Models[^\n]+"
    use_telnet: Flag = True
    license_variable: Text = ""
    ubl_license: Text = ""
    environment: Table = Field(default_factory=dict)
    commands: list[Text] = Field(default_factory=list)
    erpc_app: Text = ""


METHOD = Method(
    name="fvp",
    action="boot-fvp",
    parameters=FvpBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
