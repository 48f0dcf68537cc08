"""Runs one part of a server or host in the foreground, as service units do."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from sqlalchemy.exc import OperationalError

from labq import config
from labq.cli.output import note, show_json, wants_json
from labq.services import schema


def run_on_database(name: str, module: str) -> None:
    """Run a part of the server; one that cannot work on the schema does not begin.

    Raises ConfigurationError. A database that is away is left to the part, which waits for it.
    """
    settings = config.load()
    config.require(settings, "database_url")
    try:
        standing = schema.check(settings.database_url)
    except OperationalError:
        note("the database does not answer yet")
    else:
        if not standing.is_current:
            note(f"the schema {standing.found} is newer than {standing.known}, and fits")
    run(name, module)


def run(name: str, module: str) -> None:
    """Call the part's `main`, which serves until SIGTERM or Ctrl-C."""
    main = import_module(module).main
    if wants_json():
        show_json({"part": name, "pid": os.getpid()})
    try:
        sys.exit(main() or 0)
    except KeyboardInterrupt:
        note(f"{name} is stopped")
