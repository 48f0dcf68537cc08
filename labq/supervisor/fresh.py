"""One part in an interpreter of its own, with the code that is on disk now.

`python -m labq.supervisor.fresh NAME MODULE:FUNCTION [ARGUMENT...]`, started by a supervisor only.
"""

from __future__ import annotations

import sys

from labq.supervisor.processes import call, run_as

if __name__ == "__main__":
    _, name, entry, *arguments = sys.argv
    run_as(name, lambda: call(entry, arguments))
