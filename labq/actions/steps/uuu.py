"""NXP's universal update utility at work on one board, and how the board comes into its reach."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from labq.actions.parameters import BootBlock, Docker
from labq.actions.steps import board, tool
from labq.actions.steps.boxed import boxed
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.image_arguments import deployed
from labq.actions.steps.loader_boot import UBOOT, loader_of
from labq.actions.steps.power import connect
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError, InfrastructureError, JobError
from labq.hw.session import Session

Command = tuple[str, list[str]]
"""A protocol and the words after it."""

_USB_PATH = re.compile(r"\d+:\d+")
_BOARD_ID = re.compile(r"\d+-[\d.]+")
_BUILT_IN = ("bcu", "uuu")
_BCU_RESET = ("bcu", ["reset", "usb"])
_WAIT_SECONDS = "15"
"""How long the board may take to show up in its download mode; without that `uuu` waits for ever."""
_TERMINATED = 143


def commands_of(session: Session, commands: str | list[dict[str, str]]) -> list[Command]:
    """Return the commands of the job, or of the device's set that it names."""
    found: object = commands
    if isinstance(commands, str):
        part = lookup(session.step.device, commands)
        found = part.get("commands") if isinstance(part, Mapping) else part
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise JobError(f"the device has no commands for uuu named {commands!r}")
    return [
        (str(protocol), tool.words_of(str(words)))
        for one in found
        for protocol, words in one.items()
    ]


class Uuu:
    """The tool with the paths and options of one device."""

    def __init__(self, work: Work, parameters: BootBlock, docker: Docker | None) -> None:
        options = work.session.step.device.get("options")
        self.work = work
        self.options: Mapping[str, object] = options if isinstance(options, Mapping) else {}
        self.images = deployed(work.session)
        self._parameters = parameters
        image = self.options.get("docker_image")
        self._docker = docker or (Docker(image=str(image)) if image else None)

    def has_valid_loader(self) -> bool:
        """Tell whether the board's own boot loader can be stopped."""
        with self.work.action("check-bootloader-valid"):
            try:
                self._stop_loader([])
            except (InfrastructureError, JobError) as error:
                self.work.info(f"the board has no valid boot loader: {error}")
                return False
            finally:
                board.close_console(self.work)
        return True

    def enter(self, commands: Sequence[Command]) -> None:
        """Bring the board into download mode: where it does not go there, by breaking its boot."""
        board.close_console(self.work)
        if not self._is_by_bcu(commands):
            board.reset(self.work)
            if not self._is_there():
                self._corrupt()
        board.reset(self.work)

    def run(self, commands: Sequence[Command]) -> None:
        """Run the commands; the board controller is left as it was found."""
        board.open_console(self.work)
        used_bcu = any(protocol == "bcu" for protocol, _ in commands)
        is_done = False
        try:
            for protocol, words in commands:
                tool.flash(self.work, "uuu-boot", [self._argv(protocol, words)])
            is_done = True
        finally:
            if used_bcu:
                self._leave_bcu(is_done)
        board.close_console(self.work)

    def _is_by_bcu(self, commands: Sequence[Command]) -> bool:
        """Tell whether the commands themselves bring the board into download mode, or need none."""
        if all(protocol == "bcu" for protocol, _ in commands):
            return True
        protocol, words = commands[0]
        return (protocol, words[:2]) == _BCU_RESET

    def _is_there(self) -> bool:
        """Tell whether the board shows up in download mode: it takes the image `boot` then."""
        boot = self.images.get("boot")
        if boot is None:
            raise JobError("uuu needs an image `boot`")
        argv = ["timeout", "--preserve-status", _WAIT_SECONDS, "uuu", *self._paths(), str(boot)]
        with self.work.action("check-serial-availability") as deadline:
            argv = self._boxed(argv)
            finished = tool.call(self.work, argv, deadline)
        if finished.returncode not in (0, _TERMINATED):
            raise JobError(tool.failure(argv, finished))
        return finished.returncode == 0

    def _corrupt(self) -> None:
        """Let U-Boot erase what the board boots from, so that it falls back to download mode."""
        lines = texts(self.options.get("corrupt_boot_media_command"))
        if not lines:
            raise InfrastructureError(
                "the board is not in download mode, and the device has no commands to get it there "
                "(corrupt_boot_media_command)"
            )
        with self.work.action("boot-corrupt-boot-media"):
            if self.options.get("power_off_before_corrupt_boot_media"):
                self.work.session.power.off()
            self._stop_loader(lines)
            board.close_console(self.work)

    def _stop_loader(self, lines: list[str]) -> None:
        part = lookup(self.work.session.plan.dictionary, "actions", "boot", "methods", "u-boot")
        known = part if isinstance(part, Mapping) else {}
        expect = connect(self.work, self._parameters, reset=True)
        loader = loader_of(self.work, expect, self._parameters, UBOOT, part=known)
        loader = replace(loader, final_message="")
        loader.interrupt()
        loader.send_all(lines)

    def _argv(self, protocol: str, words: Sequence[str]) -> list[str]:
        values = {label: str(path) for label, path in self.images.items()}
        words = [tool.filled(word, values) for word in words]
        if protocol == "bcu":
            return self._bcu(words)
        prefix = [] if protocol in _BUILT_IN else [f"{protocol}:"]
        return self._boxed(["uuu", *self._paths(), *prefix, *words])

    def _bcu(self, words: Sequence[str]) -> list[str]:
        name = self.options.get("bcu_board_name")
        if not name:
            raise ConfigurationError("the device has no bcu_board_name")
        found = self._found("bcu_board_id", "bcu_board_id_command", _BOARD_ID)
        return self._boxed(["bcu", *words, f"-board={name}", f"-id={found[0]}"])

    def _leave_bcu(self, is_done: bool) -> None:  # noqa: FBT001  (one private caller)
        extra = texts(self.options.get("additional_bcu_cleanup_commands"))
        argvs = [self._bcu(tool.words_of(text)) for text in ("deinit", *extra)]
        with self.work.action("uuu-boot") as deadline:
            for argv in argvs:
                finished = tool.call(self.work, argv, deadline)
                if is_done and finished.returncode != 0:
                    raise InfrastructureError(tool.failure(argv, finished))

    def _paths(self) -> list[str]:
        """Return the options that bind the tool to the board's USB ports."""
        found = self._found("usb_otg_path", "usb_otg_path_command", _USB_PATH)
        return [word for path in found for word in ("-m", path)]

    def _found(self, key: str, command_key: str, pattern: re.Pattern[str]) -> list[str]:
        """Return the option where it is set well, else what its command says, a line each."""
        found = texts(self.options.get(key))
        if found and all(map(pattern.fullmatch, found)):
            return found
        command = self.options.get(command_key)
        if not command:
            raise ConfigurationError(f"the device's {key} is {found}, and it has no {command_key}")
        argv = tool.words_of(command) if isinstance(command, str) else texts(command)
        deadline = self.work.deadlines[-1]
        said = tool.must(self.work, argv, deadline, error=InfrastructureError)
        found = [line.strip() for line in said.splitlines()]
        if not found or not all(map(pattern.fullmatch, found)):
            raise ConfigurationError(f"{command_key} said no {key} but {said.strip()!r}")
        return found

    def _boxed(self, argv: Sequence[str]) -> list[str]:
        remote = tool.words_of(str(self.options.get("remote_options") or ""))
        made = boxed(self.work, argv, self._docker, self._folder(), *remote)
        if self._docker is not None:
            self._docker = self._docker.model_copy(update={"local": True})
        return made

    def _folder(self) -> Path:
        return self.work.session.folder / self.work.session.step.namespace
