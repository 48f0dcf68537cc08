"""Boot `minimal`: connect, reset or power on, log in; the device knows what it boots."""

from __future__ import annotations

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.login import Login
from labq.actions.steps.power import connect, run_command
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Flag
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class MinimalParameters(BootParameters):
    """The block of `method: minimal`."""

    reset: Flag = True
    pre_power_command: Flag = False
    pre_os_command: Flag = False


def run(session: Session, parameters: MinimalParameters) -> None:
    """Boot to the prompt."""
    work = Work(session)
    with work.block("minimal-boot"):
        bring_overlay(work, fetch=True)
        if parameters.pre_power_command:
            run_command(work, "pre-power-command", "pre_power_command")
        expect = connect(work, parameters, reset=parameters.reset)
        if parameters.pre_os_command:
            run_command(work, "pre-os-command", "pre_os_command")
        Login(work, expect, parameters).run()
        transfer_overlay(work, expect, parameters)


METHOD = Method(
    name="minimal",
    action="minimal-boot",
    parameters=MinimalParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
)
