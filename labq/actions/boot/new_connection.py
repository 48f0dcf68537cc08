"""Boot `new_connection`: open another console of the device."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootMessages, BootParameters
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import character_delay
from labq.actions.steps.login import Login
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Text
from labq.domain.errors import JobError
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session


class NewConnectionParameters(BootParameters):
    """The block of `method: new_connection`; `connection` names one of the dictionary."""

    connection: Text


def run(session: Session, parameters: NewConnectionParameters) -> None:
    """Open the console for the block's namespace, and log in where the job says how."""
    known = [spec.channel for spec in session.plan.consoles]
    if parameters.connection not in known:
        names = ", ".join(known) or "none"
        raise JobError(f"the device has no connection {parameters.connection!r}; it has: {names}")
    work = Work(session)
    with work.block("secondary-shell-action"):
        bring_overlay(work, fetch=True)
        with work.action("connect-shell", case=True):
            expect = Expect(session.console(parameters.connection))
        # The kernel has started long ago: its first message is not waited for.
        messages = BootMessages.model_validate({"kernel-start-message": ""})
        booted = parameters.model_copy(update={"parameters": messages})
        # A shell or a login prompt that waits says so again after an empty line.
        expect.send(b"\n", character_delay(session, "boot"))
        Login(work, expect, booted).run()
        transfer_overlay(work, expect, parameters)


METHOD = Method(
    name="new_connection",
    action="secondary-shell-action",
    parameters=NewConnectionParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
)
