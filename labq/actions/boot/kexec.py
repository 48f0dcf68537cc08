"""Boot `kexec`: start another kernel from the running system."""

from __future__ import annotations

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.values import Flag, Text
from labq.domain.plan import Queue, StepKind


class KexecParameters(BootParameters):
    """The block of `method: kexec`; with `on_panic` the kernel is loaded for a crash."""

    boot_message: Text
    command: Text = "/sbin/kexec"
    kernel: Text = ""
    dtb: Text = ""
    initrd: Text = ""
    options: list[Text] = Field(default_factory=list)
    kernel_config: Text = Field(default="", alias="kernel-config")
    deploy: Flag = False
    on_panic: Flag = False


METHOD = Method(
    name="kexec",
    action="kexec-boot",
    parameters=KexecParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
)
