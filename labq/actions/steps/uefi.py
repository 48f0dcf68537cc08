"""What boots by UEFI read of a dictionary: how it is stopped, its menu and the entries of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labq.actions.steps.loader_commands import filled
from labq.actions.steps.menu import Menu, layout_of, line_end
from labq.actions.steps.work import Work
from labq.domain.errors import ConfigurationError
from labq.hw.expect import Expect

PROMPT = "Start:"


def parameters_of(part: Mapping[str, object]) -> Mapping[str, object]:
    """Return the parameters of a method in a dictionary."""
    found = part.get("parameters")
    return found if isinstance(found, Mapping) else {}


def prompt_of(said: Mapping[str, object]) -> str:
    """Return what shows that the menu is there."""
    return str(said.get("bootloader_prompt") or PROMPT)


def entries_of(part: Mapping[str, object], name: str) -> Sequence[object]:
    """Return the entries that a name stands for; raises ConfigurationError."""
    found = part.get(name)
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise ConfigurationError(f"the device has no entries of its menu for {name!r}")
    return found


def menu_of(
    work: Work,
    expect: Expect,
    part: Mapping[str, object],
    names: Mapping[str, str],
    *,
    separator: str = "",
) -> Menu:
    """Return the menu of a device; `names` are placeholders beside those of all boot loaders."""
    return Menu(
        work,
        expect,
        layout_of(parameters_of(part)),
        line_end(separator or part.get("line_separator")),
        lambda text: filled(work.session, text, names),
    )


def interrupt(menu: Menu, said: Mapping[str, object], name: str) -> None:
    """Stop the automatic boot as the dictionary says."""
    prompt, text = said.get("interrupt_prompt"), said.get("interrupt_string")
    if not prompt or not text:
        raise ConfigurationError("the device lacks interrupt_prompt or interrupt_string")
    menu.interrupt(name, str(prompt), str(text))
