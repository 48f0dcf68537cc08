"""How the consoles of an Arm model are named: by the plan that opens them, by the step that finds them.

A model prints the ports of its consoles when it runs; until then commands have places for them.
"""

from __future__ import annotations

import re

OUTPUT = "model"
"""The channel of what the model itself prints."""
CONTAINER = "MODEL_CONTAINER"
PRIMARY_PORT = "MODEL_PORT"
_NAME = re.compile(r"\(\?P<NAME>([\w.-]+)\)")


def feedback_channel(pattern: str, number: int) -> str:
    """Return the channel of the feedback with this pattern: its NAME where that is plain text."""
    found = _NAME.search(pattern)
    return found[1] if found else f"feedback-{number}"


def port_place(channel: str) -> str:
    """Return the name of the placeholder for the port of a feedback's channel."""
    return f"{PRIMARY_PORT}_{re.sub(r'[^A-Z0-9]', '_', channel.upper())}"


def telnet(place: str) -> str:
    """Return the command that connects to a port within the model's container."""
    return f"docker exec --interactive --tty {{{CONTAINER}}} telnet localhost {{{place}}}"
