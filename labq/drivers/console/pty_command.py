"""A console that is a command in a pseudo terminal: telnet, ssh, ser2net clients, a local shell."""

from __future__ import annotations

from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.domain.plan import ConsoleSpec
from labq.hw.driver import Place
from labq.hw.process import Process

FAKE = ConsoleSpec(
    channel="main", kind="pty", command='while read -r line; do echo "did $line"; done'
)
"""A device that answers each line."""


class PtyCommand:
    """Runs `command` by `sh -c` in a pseudo terminal with the settings that a login gives."""

    kind = "pty"

    def open(self, spec: ConsoleSpec, place: Place) -> int:
        """Start the command; raises InfrastructureError when that fails."""
        if not spec.command:
            raise ConfigurationError(f"console {spec.channel} of kind pty has no command")
        argv = ("/bin/sh", "-c", spec.command)
        file = place.spawner.spawn(place.key, Process(argv=argv, cwd=place.folder, io="pty"))
        if file is None:
            raise InfrastructureError(f"no terminal came with {spec.command!r}")
        return file
