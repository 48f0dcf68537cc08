"""Deploy `flasher`: run the device's own flash commands on the images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from labq.actions.method import Method
from labq.actions.parameters import Artifact, DeployParameters
from labq.actions.steps import fetched, tool
from labq.actions.steps.bring import bring_overlay
from labq.actions.steps.dictionary import lookup, texts
from labq.actions.steps.download import with_static_info
from labq.actions.steps.images import FETCHED, images, remember_images
from labq.actions.steps.work import Work
from labq.actions.values import Flag, Labelled
from labq.domain.errors import Problem
from labq.domain.plan import Queue, StepKind
from labq.hw.session import Session

_COMMANDS: Mapping[str, str] = {
    "HARD_RESET_COMMAND": "hard_reset",
    "SOFT_REBOOT_COMMAND": "soft_reboot",
    "SOFT_RESET_COMMAND": "soft_reboot",
    "PRE_OS_COMMAND": "pre_os_command",
    "PRE_POWER_COMMAND": "pre_power_command",
    "POWER_ON_COMMAND": "power_on",
    "POWER_OFF_COMMAND": "power_off",
}
_INFOS: Mapping[str, str] = {"DEVICE_INFO": "device_info", "STATIC_INFO": "static_info"}


class FlasherImage(Artifact):
    """One image; with `download: false` the command gets its URL."""

    download: Flag = True


class FlasherParameters(DeployParameters):
    """The block of `to: flasher`."""

    images: Labelled[FlasherImage]
    uniquify: Flag = True

    def fetched(self) -> dict[str, FlasherImage]:
        """Return the images that are fetched for the command."""
        return {label: image for label, image in self.images.items() if image.download}


def check(parameters: FlasherParameters, device: Mapping[str, object]) -> list[Problem]:
    """Name what the device lacks, and what cannot be done with an image."""
    found = list(fetched.problems(parameters.fetched()))
    if not isinstance(device.get("commands"), list):
        text = "the device has no list of commands: actions.deploy.methods.flasher.commands"
        found.append(Problem(path="to", message=text))
    return found


def fetch(session: Session, parameters: FlasherParameters) -> None:
    """Fetch the images and write the overlay into those that ask for it."""
    work = Work(session)
    wanted = parameters.fetched()
    with work.block(METHOD.action, closes=False):
        fetched.fetch(work, wanted, _folder(session), uniquify=parameters.uniquify)
        entries = bring_overlay(work, fetch=False)
        paths = fetched.with_overlays(work, wanted, images(session, FETCHED), entries)
        remember_images(session, {label: str(path) for label, path in paths.items()})


def run(session: Session, parameters: FlasherParameters) -> None:
    """Run the commands one after the other in the folder of the images."""
    work = Work(session)
    with work.block(METHOD.action, opens=False):
        folder = _folder(session)
        folder.mkdir(parents=True, exist_ok=True)
        commands = texts(session.step.device.get("commands"))
        device, job = _device_values(session), _image_values(work, parameters, folder)
        argvs = [
            [tool.filled(word, job) for word in tool.words_of(tool.filled(command, device))]
            for command in commands
        ]
        tool.flash(work, "flasher", argvs, cwd=folder)


def _folder(session: Session) -> Path:
    return session.folder / session.step.namespace


def _device_values(session: Session) -> dict[str, str]:
    """Return what the device says: one command of a list runs after the other."""
    dictionary = session.plan.dictionary
    values = {
        name: " && ".join(texts(lookup(dictionary, "commands", key)))
        for name, key in _COMMANDS.items()
    }
    for name, key in _INFOS.items():
        values[name] = yaml.safe_dump(_plain(dictionary.get(key) or []))
    return values


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def _image_values(work: Work, parameters: FlasherParameters, folder: Path) -> dict[str, str]:
    """Return the images by label in capitals: paths within the folder, or URLs.

    They stand for one word each: what a job calls its files cannot add words to a command.
    """
    paths = images(work.session)
    values = {
        label.upper(): str(path.relative_to(folder) if path.is_relative_to(folder) else path)
        for label, path in paths.items()
    }
    urls = {label: one.url for label, one in parameters.images.items() if not one.download}
    return values | {label.upper(): with_static_info(work, url) for label, url in urls.items()}


METHOD = Method(
    name="flasher",
    action="deploy-flasher",
    parameters=FlasherParameters,
    kind=StepKind.DEPLOY,
    queue=Queue.FASTBOOT,
    run=run,
    download=fetch,
    check=check,
)
