"""How a command fails: one line on standard error, its exit code, an object with `--json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import IO, Any

import click
from typing_extensions import override

from labq.domain.errors import ConfigurationError, InvalidInputError, LabqError

JSON_FLAG = "labq.json"


class Failed(click.ClickException):
    """The thing asked about failed. `facts` go with the message into the `--json` answer."""

    exit_code = 1

    def __init__(self, message: str, facts: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.facts = dict(facts or {})
        self._as_json = _wants_json()

    @override
    def show(self, file: IO[Any] | None = None) -> None:
        if self._as_json:
            click.echo(json.dumps({"error": {"message": self.message, **self.facts}}))
        click.echo(f"labq: {self.message}", err=True)


class Misused(Failed):
    """The command was called, or this machine is set up, in a way that cannot work."""

    exit_code = 2


class Unreachable(Failed):
    """No server is known, or the one that is known does not answer."""

    exit_code = 3


@contextmanager
def translated() -> Iterator[None]:
    """Turn labq's own errors within the block into exit codes."""
    try:
        yield
    except InvalidInputError as error:
        message = "\n".join(problem.describe() for problem in error.problems)
        raise Failed(message, {"errors": [asdict(item) for item in error.problems]}) from error
    except ConfigurationError as error:
        raise Misused(str(error)) from error
    except LabqError as error:
        raise Failed(str(error)) from error


def _wants_json() -> bool:
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().meta.get(JSON_FLAG))
