"""Starts the process that is the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from labq.actions.steps.cache import place
from labq.actions.steps.dictionary import texts
from labq.actions.steps.power import primary_console
from labq.actions.steps.tftp_folder import tftp_folder
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError
from labq.hw.expect import Expect
from labq.hw.session import Emulator


def emulator_of_dictionary(work: Work) -> Mapping[str, object] | None:
    """Return the dictionary's `emulator`, which starts with the power of the device."""
    found = work.session.plan.dictionary.get("emulator")
    return found if isinstance(found, Mapping) else None


def start(
    work: Work, argv: Sequence[str], environment: Mapping[str, str], action: str = "execute-qemu"
) -> Expect:
    """Start the emulator in place of one that runs, and listen to its console."""
    with work.action(action, case=True):
        work.info(f"Calling: {list(argv)!r}")
        emulator = Emulator(
            argv=tuple(argv),
            channel=primary_console(work.session.plan).channel,
            cwd=work.session.folder,
            environment=environment,
        )
        return Expect(work.session.start(emulator))


def start_device(work: Work, emulator: Mapping[str, object]) -> Expect:
    """Start the emulator of the dictionary, with its `tftp_files` in the device's TFTP folder."""
    files = emulator.get("tftp_files")
    for name, source in files.items() if isinstance(files, Mapping) else ():
        _serve(work, str(name), Path(str(source)))
    values = emulator.get("environment")
    environment = {
        str(name): str(value)
        for name, value in (values.items() if isinstance(values, Mapping) else ())
    }
    return start(work, texts(emulator.get("command")), environment, "power-on")


def _serve(work: Work, name: str, source: Path) -> None:
    try:
        place(source, tftp_folder(work.session.plan.device) / name, writable=False)
    except OSError as error:
        raise ConfigurationError(f"emulator.tftp_files.{name}: {error}") from error
