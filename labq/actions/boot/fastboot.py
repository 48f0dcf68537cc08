"""Boot `fastboot`: run the job's commands, let the device boot by fastboot, log in."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootParameters, Docker
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.fastboot import Client, check_device, client_of, enter
from labq.actions.steps.images import images
from labq.actions.steps.login import Login
from labq.actions.steps.power import run_command
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Maybe, Text
from labq.domain.errors import JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session

SEQUENCES = ("boot", "no-flash-boot", "reboot", "continue", "auto-login")


class FastbootBootParameters(BootParameters):
    """The block of `method: fastboot`; each of `commands` is run by the client before the boot."""

    commands: list[Text] = Field(default_factory=list)
    use_bootscript: Flag = False
    docker: Maybe[Docker] = None


def check(parameters: FastbootBootParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the device lacks, and commands that are no words."""
    problems = list(check_device(device))
    sequence = texts(device.get("sequence"))
    unknown = [word for word in sequence if word not in SEQUENCES]
    if unknown or not sequence:
        known = ", ".join(SEQUENCES)
        text = f"the device's boot sequence {sequence} has to be of: {known}"
        problems.append(Problem(path="method", message=text))
    if not device.get("has_console"):
        text = "the device has no console; shells by adb are not supported by this labq"
        problems.append(Problem(path="method", message=text))
    for number, command in enumerate(parameters.commands):
        if _words(command) is None:
            text = f"{command!r} cannot be split into words"
            problems.append(Problem(path=f"commands[{number}]", message=text))
    return problems


def run(session: Session, parameters: FastbootBootParameters) -> None:
    """Boot to the prompt."""
    work = Work(session)
    with work.block("fastboot-boot"):
        bring_overlay(work, fetch=True)
        expect = enter(work, parameters) or Expect(session.console())
        client = client_of(work)
        for command in parameters.commands:
            client.run("fastboot-boot-commands", *(_words(command) or ()), is_of_job=True)
        for word in texts(session.step.device.get("sequence")):
            _boot(client, word)
        if lookup(session.plan.dictionary, "commands", "pre_os_command"):
            run_command(work, "pre-os-command", "pre_os_command")
        Login(work, expect, parameters).run()
        transfer_overlay(work, expect, parameters)


def _words(command: str) -> list[str] | None:
    try:
        return shlex.split(command)
    except ValueError:
        return None


def _boot(client: Client, word: str) -> None:
    """Do one word of the device's sequence; `auto-login` is what follows all of them anyway."""
    match word:
        case "boot" | "no-flash-boot":
            image = images(client.work.session).get("boot")
            if image is None:
                raise JobError("the device boots from memory, and no image `boot` was deployed")
            client.run("boot-fastboot", "boot", str(image))
        case "reboot":
            client.run("fastboot-reboot", "reboot")
        case "continue":
            client.run("boot-fastboot", "continue")
        case _:
            return


METHOD = Method(
    name="fastboot",
    action="fastboot-boot",
    parameters=FastbootBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
    run=run,
    check=check,
)
