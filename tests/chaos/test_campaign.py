"""A short fault campaign, as an ordinary user can run it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.chaos.ground import ROOT

FAULTS, SEED = 20, 20
SECONDS = 280


@pytest.mark.timeout(SECONDS + 20)
def test_nothing_is_lost_or_done_twice_in_a_campaign_of_twenty_faults() -> None:
    words = ("--faults", str(FAULTS), "--seed", str(SEED), "--network", "relay")
    done = subprocess.run(
        (sys.executable, "-m", "tests.chaos", *words),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
