"""A group whose commands are imported when they are called, so that `labq --help` stays quick."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click
from typing_extensions import override

from labq.cli.failures import translated


class Entry(NamedTuple):
    """A command: its name, the module that has it as `command`, one line for the list."""

    name: str
    module: str
    help: str


class LazyGroup(click.Group):
    """Imports the module of a command when it is asked for; turns labq's errors into exit codes."""

    def __init__(self, *args: Any, entries: Sequence[Entry], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._entries = {entry.name: entry for entry in entries}

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        command: object = import_module(entry.module).command
        if not isinstance(command, click.Command):
            message = f"{entry.module} has no command"
            raise TypeError(message)
        return command

    @override
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in self._entries.values()])

    @override
    def invoke(self, ctx: click.Context) -> Any:
        with translated():
            return super().invoke(ctx)
