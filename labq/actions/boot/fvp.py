"""Boot `fvp`: start an Arm model in a container."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootParameters, NamedDocker
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.login import Login
from labq.actions.steps.model import Model
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Table, Text
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session


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


def check(parameters: FvpBootParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what cannot be done, and a console's pattern that finds no port."""
    found = [
        Problem(path=key, message="not supported by this labq")
        for key in ("erpc_app", "ubl_license")
        if getattr(parameters, key)
    ]
    if parameters.use_telnet and "(?P<PORT>" not in parameters.console_string:
        text = r"needs a group that finds the port, such as (?P<PORT>\d+)"
        found.append(Problem(path="console_string", message=text))
    return found


def run(session: Session, parameters: FvpBootParameters) -> None:
    """Start the model in its container, open its consoles, log in."""
    work = Work(session)
    with work.block(METHOD.action):
        bring_overlay(work, fetch=True)
        model = Model(
            work,
            image=parameters.docker,
            program=parameters.image,
            arguments=parameters.arguments,
            environment=_environment(parameters),
        )
        model.report_version(parameters.version_string)
        printed = model.start(
            parameters.console_string, parameters.feedbacks, by_telnet=parameters.use_telnet
        )
        if parameters.commands:
            model.execute(parameters.commands)
        if not parameters.prompts and parameters.auto_login is None:
            return
        expect = Expect(session.console()) if parameters.use_telnet else printed
        Login(work, expect, parameters).run()
        transfer_overlay(work, expect, parameters)


def _environment(parameters: FvpBootParameters) -> dict[str, str]:
    name, is_set, value = parameters.license_variable.partition("=")
    license_of = {name: value} if is_set else {}
    return license_of | {key: str(one) for key, one in parameters.environment.items()}


METHOD = Method(
    name="fvp",
    action="boot-fvp",
    parameters=FvpBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
