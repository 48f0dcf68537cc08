"""Parts of a host are started again with the code on disk, as an upgrade does it."""

from __future__ import annotations

import subprocess
from contextlib import suppress

from typing_extensions import override

from tests.chaos.faults.fault import Done, Fault, Kind, Target
from tests.chaos.ground import HOSTS, Ground
from tests.lab.server import program


class Upgraded(Kind):
    """`labq host restart`: runs go on."""

    name = "upgrade"
    weight = 8
    seconds = (4.0, 10.0)
    targets = tuple(Target(host, part) for host in HOSTS for part in ("workers", "bench", "all"))

    @override
    def do(self, ground: Ground, fault: Fault) -> Done | None:
        host = ground.hosts[fault.target.host]
        if host.part("bench") is None:
            return None
        words = (program(), "host", "restart", fault.target.part, host.name)
        with (ground.folder / "upgrades.log").open("ab") as log:
            asked = subprocess.Popen(words, env=dict(host.environment), stdout=log, stderr=log)
        return Done(f"of process {host.part('bench')} and others", lambda: _end(asked))


def _end(asked: subprocess.Popen[bytes]) -> None:
    """End a command that a broken supervisor does not answer."""
    with suppress(ProcessLookupError):
        asked.kill()
    asked.wait()
