"""Boot `depthcharge`: a Chromebook's loader fetches kernel and command line by TFTP."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.images import images
from labq.actions.steps.loader_boot import Dialect, commands_of, loader_of, power_up, set_problems
from labq.actions.steps.loader_commands import filled, substituted
from labq.actions.steps.loader_values import relative
from labq.actions.steps.login import Login
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work
from labq.actions.values import Commands, Flag, Text
from labq.domain.errors import JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session


class DepthchargeParameters(BootParameters):
    """The block of `method: depthcharge`."""

    commands: Commands
    extra_kernel_args: Text = ""
    use_bootscript: Flag = False


DEPTHCHARGE = Dialect("depthcharge", "", "", newline=False, prompt="dpch:", final="Starting kernel")
START = "Starting netboot"


def check(parameters: DepthchargeParameters, device: Mapping[str, object]) -> list[Problem]:
    """Compare the name of the command set with what the device has: its kernel needs arguments."""
    if isinstance(parameters.commands, list):
        return [
            Problem(path="commands", message="must name a set of the device, it has the cmdline")
        ]
    return set_problems(parameters.commands, device)


def run(session: Session, parameters: DepthchargeParameters) -> None:
    """Let depthcharge fetch kernel and arguments, log in to what it starts."""
    work = Work(session)
    with work.block(METHOD.action):
        bring_overlay(work, fetch=True)
        files = _files(session, _arguments(session, parameters))
        lines = [
            line.rstrip()
            for line in substituted(session, commands_of(work, parameters.commands), files)
        ]
        expect = power_up(work, parameters, reset=True)
        loader = loader_of(work, expect, parameters, DEPTHCHARGE)
        start = lookup(session.step.device, "parameters", "start_message")
        loader.needs_interrupt = False
        loader.start("depthcharge-start", str(start or START))
        loader.interrupt()
        loader.send(lines)
        Login(work, expect, parameters, loader.errors).run()
        transfer_overlay(work, expect, parameters)


def _arguments(session: Session, parameters: DepthchargeParameters) -> str:
    """Return the arguments of the kernel: the device's and the job's."""
    found = lookup(session.step.device, str(parameters.commands), "cmdline")
    if not isinstance(found, str):
        raise JobError(f"the device has no cmdline for {parameters.commands!r}")
    return " ".join(filter(None, (filled(session, found, {}), parameters.extra_kernel_args)))


def _files(session: Session, arguments: str) -> dict[str, str]:
    """Put the arguments beside the kernel; return what depthcharge fetches.

    An image of all parts comes without a ramdisk beside it.
    """
    served = images(session)
    if "kernel" not in served:
        raise JobError("depthcharge needs a deploy to tftp before it")
    path = served["kernel"].with_name("cmdline")
    path.write_text(arguments)
    ramdisk = None if "fit" in served else served.get("ramdisk")
    return {
        "CMDLINE": relative(session, path),
        "DEPTHCHARGE_KERNEL": relative(session, served.get("fit", served["kernel"])),
        "DEPTHCHARGE_RAMDISK": relative(session, ramdisk) if ramdisk else "",
    }


METHOD = Method(
    name="depthcharge",
    action="depthcharge-action",
    parameters=DepthchargeParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
