"""Boot `kexec`: start another kernel from the running system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import BootParameters
from labq.actions.steps.bootloader import Bootloader
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import texts
from labq.actions.steps.file_server import serve
from labq.actions.steps.images import images
from labq.actions.steps.login import Login
from labq.actions.steps.transfer import transfer_overlay
from labq.actions.steps.work import Work, namespaced
from labq.actions.values import Flag, Text
from labq.config import load
from labq.domain.errors import JobError, Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.expect import Expect
from labq.hw.session import Session


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


def check(parameters: KexecParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Name what would call kexec with nothing to load."""
    if _load_command(parameters) != "/sbin/kexec":
        return []
    return [Problem(path="kernel", message="kexec needs at least a kernel to load")]


def run(session: Session, parameters: KexecParameters) -> None:
    """Load the kernel in the shell of the running one, start it, log in."""
    work = Work(session)
    with work.block(METHOD.action):
        bring_overlay(work, fetch=True)
        expect = Expect(session.console())
        shell = _shell(work, expect, parameters)
        with _fetches(work, parameters) as fetches:
            lines = [*fetches, *_look(parameters), _load_command(parameters), _start(parameters)]
            shell.send(lines, "call-kexec")
        Login(work, expect, parameters).run()
        transfer_overlay(work, expect, parameters)


def _shell(work: Work, expect: Expect, parameters: KexecParameters) -> Bootloader:
    """Return the shell that the boot before this one has reached."""
    prompts = texts(work.session.recall(namespaced(work.session, "prompts")))
    if not prompts:
        raise JobError("kexec needs a boot before it that reaches a shell")
    prompt = "|".join(f"(?:{source})" for source in prompts)
    return Bootloader(
        work,
        expect,
        prompt=prompt,
        interrupt_prompt="",
        interrupt_text="",
        needs_interrupt=False,
        final_message=parameters.boot_message,
        errors=(),
    )


def _look(parameters: KexecParameters) -> Sequence[str]:
    config = parameters.kernel_config
    return [f"zgrep -i kexec {config} |grep -v '^#'"] if config else []


def _load_command(parameters: KexecParameters) -> str:
    load_option = "--load-panic" if parameters.on_panic else "--load"
    named = ((load_option, "kernel"), ("--dtb", "dtb"), ("--initrd", "initrd"))
    words = [
        f"{option} {getattr(parameters, key)}" for option, key in named if getattr(parameters, key)
    ]
    return " ".join([parameters.command, *words, *parameters.options])


def _start(parameters: KexecParameters) -> str:
    return "echo c > /proc/sysrq-trigger" if parameters.on_panic else f"{parameters.command} -e"


@contextmanager
def _fetches(work: Work, parameters: KexecParameters) -> Iterator[list[str]]:
    """Serve what was deployed to the device; yields the commands that fetch it."""
    paths = {"kernel": parameters.kernel, "initrd": parameters.initrd, "dtb": parameters.dtb}
    wanted = {label: path for label, path in paths.items() if path and parameters.deploy}
    found = images(work.session)
    missing = [label for label in wanted if label not in found]
    if missing:
        raise JobError(f"no deploy before this boot has brought {', '.join(missing)}")
    address = str(work.session.plan.dictionary.get("host_address") or load().host_address)
    with serve(load().host_address, address, [found[label] for label in wanted]) as urls:
        yield [f"wget {url} -O {path}" for url, path in zip(urls, wanted.values(), strict=True)]


METHOD = Method(
    name="kexec",
    action="kexec-boot",
    parameters=KexecParameters,
    kind=StepKind.BOOT,
    queue=Queue.BOOT,
    run=run,
    check=check,
)
