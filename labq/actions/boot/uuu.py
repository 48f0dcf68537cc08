"""Boot `uuu`: push images to an NXP board by the universal update utility."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo

from labq.actions.method import Method
from labq.actions.parameters import BootBlock, Docker
from labq.actions.steps.uuu import Uuu, commands_of
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Maybe, is_run, refusals, refused
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


def _commands(value: object, info: ValidationInfo) -> object:
    if type(value) is str or is_run(info):
        return value
    if not isinstance(value, list):
        raise refused("must be a string or a list of mappings such as {uuu: ...}")
    odd = [place for place, one in enumerate(value) if not _is_command(one)]
    if odd:
        raise refusals(*(((place,), "must be a mapping such as {uuu: ...}") for place in odd))
    return value


def _is_command(value: object) -> bool:
    return isinstance(value, dict) and all(
        type(word) is str for pair in value.items() for word in pair
    )


class UuuBootParameters(BootBlock):
    """The block of `method: uuu`; `commands` names a set of the device or is a list of commands."""

    commands: Annotated[str | list[dict[str, str]], BeforeValidator(_commands)]
    docker: Maybe[Docker] = None
    skip_uuu_if_bootloader_valid: Flag = False


def run(session: Session, parameters: UuuBootParameters) -> None:
    """Bring the board into its serial download mode and run the commands."""
    work = Work(session)
    with work.block(METHOD.action):
        commands = commands_of(session, parameters.commands)
        uuu = Uuu(work, parameters, parameters.docker)
        if parameters.skip_uuu_if_bootloader_valid and uuu.has_valid_loader():
            work.info("the board's boot loader is valid: uuu is skipped")
            return
        uuu.enter(commands)
        uuu.run(commands)


METHOD = Method(
    name="uuu",
    action="uuu-boot",
    parameters=UuuBootParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
    run=run,
)
