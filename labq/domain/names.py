"""Names of hosts: queues, streams and Redis keys begin with them, and folders are called like them.

And names of templates of device files, which are names of files without their ending.
"""

from __future__ import annotations

import re

from labq.domain.errors import InvalidInputError, Problem

HOST_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,62}")
TEMPLATE_NAME = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._+-]{0,199}")
TAKEN = ("labq", "core", "celery", "celeryev", "default", "unacked")
"""What keys and queues of the server itself begin with."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Names of the machine itself, which lead nowhere from another one."""


def claim_key(host: str) -> str:
    """Return the key that names the machine that runs a host."""
    return f"{host}.claim"


def check_host_name(name: str) -> None:
    """Raise InvalidInputError for a name that no host can have."""
    if not HOST_NAME.fullmatch(name):
        raise InvalidInputError(
            [
                Problem(
                    "host",
                    f"{name!r} cannot name a host: 1 to 63 letters, digits, `_` and `-` can, "
                    "the first one a letter or digit",
                )
            ]
        )
    if name.lower() in TAKEN:
        raise InvalidInputError(
            [Problem("host", f"{name!r} is a name that the server itself uses")]
        )


def check_template_name(name: str) -> None:
    """Raise InvalidInputError for a name that no template can have."""
    if not TEMPLATE_NAME.fullmatch(name):
        problem = Problem("template", f"{name!r} does not match {TEMPLATE_NAME.pattern}")
        raise InvalidInputError([problem])
