"""`python -m tests.chaos --faults N --seed S [--break NAME]`: one fault campaign."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace

from labq.supervisor.programs import cache_folder
from labq.supervisor.virtual import with_cached_programs
from tests.chaos.broken import NAMES
from tests.chaos.campaign import Order, run


def main() -> int:
    """Run it; the exit code is 1 for any violation."""
    parser = argparse.ArgumentParser(prog="chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--break", dest="broken", choices=("", *NAMES), default="")
    parser.add_argument("--network", choices=("auto", "namespace", "relay"), default="auto")
    parser.add_argument("--keep", action="store_true", help="keep the folder in any case")
    parser.add_argument(
        "--outage",
        action="append",
        default=[],
        help='instead of what the seed draws: one fault after the other, as in "stop redis"',
    )
    parser.add_argument("--seconds", type=float, default=600, help="how long each outage lasts")
    given = parser.parse_args()
    os.environ["PATH"] = with_cached_programs(os.environ.get("PATH", os.defpath), cache_folder())
    order = Order(given.faults, given.seed, given.broken, given.network, given.keep)
    return run(replace(order, outages=tuple(given.outage), seconds=given.seconds))


sys.exit(main())
