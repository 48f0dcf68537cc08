"""Starts the process that is the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labq.actions.steps.dictionary import texts
from labq.actions.steps.power import primary_console
from labq.actions.steps.work import Work
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
    """Start the emulator of the dictionary."""
    values = emulator.get("environment")
    environment = {
        str(name): str(value)
        for name, value in (values.items() if isinstance(values, Mapping) else ())
    }
    return start(work, texts(emulator.get("command")), environment, "power-on")
