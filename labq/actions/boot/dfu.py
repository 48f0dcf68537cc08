"""Boot `dfu`: push images to a device by USB firmware upgrade and start it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from labq.actions.method import Method
from labq.actions.parameters import BootBlock
from labq.actions.steps import tool, usb
from labq.actions.steps.dictionary import constant, lookup, texts
from labq.actions.steps.image_arguments import deployed, image_arguments
from labq.actions.steps.loader_boot import UBOOT, loader_of
from labq.actions.steps.power import connect
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect, alternative
from labq.hw.session import Session

_DONE = "Done!"
_HARDWARE = "hardware"
_UBOOT = "u-boot"


class DfuParameters(BootBlock):
    """The block of `method: dfu`."""


def check(_parameters: DfuParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    known = lookup(device, "parameters")
    found = known if isinstance(known, Mapping) else {}
    missing = [] if found.get("command") else ["command"]
    if device.get("implementation") == _UBOOT and not isinstance(found.get("enter-commands"), list):
        missing.append("list of enter-commands")
    return [Problem(path="method", message=f"the device has no {one} for DFU") for one in missing]


def run(session: Session, parameters: DfuParameters) -> None:
    """Reset the board into DFU mode, by U-Boot where that has it, and push each image."""
    work = Work(session)
    with work.block(METHOD.action):
        wanted = usb.board_of(session.plan.dictionary, ids=True)
        commands = list(_commands(session, wanted))
        expect = connect(work, parameters, reset=True)
        if session.step.device.get("implementation") == _UBOOT:
            _enter(work, expect, parameters)
        usb.wait_for_device(work, "wait-dfu-device", wanted)
        for argv in commands:
            _flash(work, expect, argv)


def _enter(work: Work, expect: Expect, parameters: DfuParameters) -> None:
    """Stop U-Boot and let it enter DFU mode; its last command does not come back."""
    methods = lookup(work.session.plan.dictionary, "actions", "boot", "methods", _UBOOT)
    part = methods if isinstance(methods, Mapping) else {}
    loader = replace(loader_of(work, expect, parameters, UBOOT, part=part), final_message="")
    loader.interrupt()
    with work.action("enter-dfu"):
        loader.send(texts(lookup(work.session.step.device, "parameters", "enter-commands")))


def _commands(session: Session, wanted: usb.Identity) -> Iterator[list[str]]:
    """Yield a command for each image; after the last one the device leaves DFU mode, if it can."""
    device = session.step.device
    base = [str(lookup(device, "parameters", "command"))]
    base += texts(lookup(device, "parameters", "options"))
    base += ["--serial", wanted.serial, "--device", f"{wanted.vendor}:{wanted.product}"]
    arguments, paths = image_arguments(session), deployed(session)
    last = list(paths)[-1]
    for label, path in paths.items():
        if label not in arguments:
            raise JobError(f"image {label!r} has no image_arg that says where it goes")
        words = tool.words_of(arguments[label])
        end = ["--reset"] if label == last and device.get("reset_works") is not False else []
        yield [*base, *(tool.filled(word, {label: str(path)}) for word in words), *end]


def _flash(work: Work, expect: Expect, argv: list[str]) -> None:
    """Run the tool, which may end with 0 after errors, and wait for what a boot loader says then."""
    (said,) = tool.flash(work, "flash-dfu", [argv], error=InfrastructureError)
    if _DONE not in said:
        last = " | ".join(said.strip().splitlines()[-3:]) or "nothing"
        raise InfrastructureError(f"{argv[0]} did not say {_DONE!r}; it said: {last}")
    implementation = str(work.session.step.device.get("implementation") or _HARDWARE)
    if implementation == _HARDWARE:
        return
    message = constant(work.session, implementation, "dfu-download")
    if not message:
        raise ConfigurationError(f"the device has no constants.{implementation}.dfu-download")
    with work.action("flash-dfu") as deadline:
        if expect.wait([alternative("done", message)], deadline) is None:
            tail = expect.tail() or "nothing"
            raise InfrastructureError(f"{message!r} never came; last on the console: {tail}")


METHOD = Method(
    name="dfu",
    action="boot-dfu-retry",
    parameters=DfuParameters,
    kind=StepKind.BOOT,
    queue=Queue.FASTBOOT,
    run=run,
    check=check,
)
