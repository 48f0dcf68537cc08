"""Which host of this machine a command means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from labq import config
from labq.supervisor import joined


def host_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument NAME and the option --state."""
    name = click.argument("name", required=False)
    state = click.option(
        "--state", type=click.Path(path_type=Path), help="Folder of all data of this machine."
    )
    return name(state(command))


def folder_of(name: str | None, state: Path | None) -> Path:
    """Return the folder of a host of this machine; raises ConfigurationError."""
    settings = config.load()
    if state is not None:
        settings = settings.model_copy(update={"state": state.expanduser().absolute()})
    return joined.host_folder(settings, joined.choose(name))
