"""Runs one part of a server or host in the foreground, as service units do."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from labq.cli.output import note, show_json, wants_json


def run(name: str, module: str) -> None:
    """Call the part's `main`, which serves until SIGTERM or Ctrl-C."""
    main = import_module(module).main
    if wants_json():
        show_json({"part": name, "pid": os.getpid()})
    try:
        sys.exit(main() or 0)
    except KeyboardInterrupt:
        note(f"{name} is stopped")
