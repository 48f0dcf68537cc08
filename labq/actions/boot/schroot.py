"""Boot `schroot`: a shell in a chroot of a host that is reached by ssh."""

from __future__ import annotations

import shlex
from typing import Literal

from labq.actions.method import Method
from labq.actions.parameters import PromptBoot
from labq.actions.steps import board
from labq.actions.steps.dictionary import character_delay
from labq.actions.steps.work import Work
from labq.actions.values import Text
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class SchrootParameters(PromptBoot):
    """The block of `method: schroot`; `schroot` names the chroot."""

    schroot: Text
    connection: Literal["ssh"]


def run(session: Session, parameters: SchrootParameters) -> None:
    """Enter the chroot in the shell that the device's console is at, and wait for its prompt."""
    work = Work(session)
    with work.block(METHOD.action):
        expect = board.open_console(work)
        command = str(session.step.device.get("command") or "schroot")
        line = f"{command} -c {shlex.quote(parameters.schroot)}\n"
        expect.send(line.encode(), character_delay(session, "boot"))
        board.await_prompt(work, expect, parameters.prompts, "expect-shell-connection")


METHOD = Method(
    name="schroot",
    action="schroot-login",
    parameters=SchrootParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
)
