"""Deploy `vemsd`: copy a recovery image to the mass storage of a Versatile Express board."""

from __future__ import annotations

from collections.abc import Mapping

from labq.actions.method import Method
from labq.actions.parameters import Artifact, BootParameters, DeployParameters
from labq.actions.steps import disk, fetched, usb
from labq.actions.steps.dictionary import lookup
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.power import connect
from labq.actions.steps.recovery_image import unpack_recovery
from labq.actions.steps.work import Work
from labq.domain.errors import InfrastructureError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect, alternative
from labq.hw.session import Session

_IMAGE = "recovery_image"
_ENTRY = ("autorun_prompt", "mcc_prompt", "mcc_reset_msg")


class VemsdParameters(DeployParameters):
    """The block of `to: vemsd`."""

    recovery_image: Artifact


def check(_parameters: VemsdParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the dictionary lacks."""
    return [
        Problem(
            path="to", message=f"the device has no {key}: actions.deploy.methods.vemsd.parameters"
        )
        for key in ("mcc_prompt", "autorun_prompt", "msd_mount_cmd")
        if not lookup(device, "parameters", key)
    ]


def fetch(session: Session, parameters: VemsdParameters) -> None:
    """Fetch the recovery image."""
    work = Work(session)
    with work.block(METHOD.action, closes=False):
        folder = session.folder / session.step.namespace
        fetched.fetch(work, {_IMAGE: parameters.recovery_image}, folder)


def run(session: Session, parameters: VemsdParameters) -> None:
    """Stop the board's controller, write its disk, erase its flash."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        label = disk.label_of(session.plan.dictionary)
        source = unpack_recovery(
            work, deployed(session)[_IMAGE], parameters.recovery_image.compression
        )
        expect = connect(work, BootParameters(), reset=True)
        controller = _Controller(work, expect)
        controller.enter()
        controller.show_disk()
        node = usb.DEV / "disk/by-label" / label
        usb.wait_for_path(work, "wait-usb-mass-storage-device", node)
        with (
            disk.mounted(work, node, "vexpress-usbmsd") as folder,
            work.action("deploy-vexpress-recovery-image", case=True),
        ):
            disk.replace_all(work, source, folder)
        controller.erase()


class _Controller:
    """The board's controller at its prompt."""

    def __init__(self, work: Work, expect: Expect) -> None:
        self._work, self._expect = work, expect

    def enter(self) -> None:
        """Stop the automatic start, where there is one."""
        with self._work.action("enter-vexpress-mcc", case=True) as deadline:
            wanted = [alternative(one, self._said(one)) for one in _ENTRY if self._said(one)]
            found = self._expect.wait(wanted, deadline)
            if found is not None and found.name == "autorun_prompt":
                self._expect.send((self._said("interrupt_char") or " ").encode() + b"\n")
                found = self._expect.wait(wanted[1:], deadline)
            if found is None or found.name != "mcc_prompt":
                last = self._expect.tail() or "nothing"
                raise InfrastructureError(
                    f"the controller's automatic start was not stopped; last on the console: {last}"
                )

    def show_disk(self) -> None:
        """Let it show its disk on USB."""
        self._step("enable-vexpress-usbmsd", [("msd_mount_cmd", "mcc_prompt")])

    def erase(self) -> None:
        """Erase the flash, on boards that have a menu for that."""
        if not self._said("flash_prompt"):
            return
        self._step(
            "erase-vexpress-flash",
            [
                ("flash_enter_cmd", "flash_prompt"),
                ("flash_erase_cmd", "flash_erase_msg"),
                ("", "flash_prompt"),
                ("flash_exit_cmd", "mcc_prompt"),
            ],
        )

    def _step(self, action: str, talk: list[tuple[str, str]]) -> None:
        """Send each command and wait for what has to come; without a command only wait."""
        with self._work.action(action, case=True) as deadline:
            for command, answer in talk:
                if command:
                    self._expect.send(self._said(command).encode() + b"\n")
                if self._expect.wait([alternative(answer, self._said(answer))], deadline) is None:
                    last = self._expect.tail() or "nothing"
                    raise InfrastructureError(
                        f"{self._said(answer)!r} never came; last on the console: {last}"
                    )

    def _said(self, key: str) -> str:
        return str(lookup(self._work.session.step.device, "parameters", key) or "")


METHOD = Method(
    name="vemsd",
    action="vexpress-fw-deploy",
    parameters=VemsdParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
    run=run,
    download=fetch,
    check=check,
)
