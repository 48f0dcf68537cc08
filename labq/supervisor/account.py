"""The account a server runs as: PostgreSQL refuses root, so root hands it to one without rights."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from labq.domain.errors import ConfigurationError

CANDIDATES = ("postgres", "nobody")
# What lets the account through root's private folders, the one that only reads first.
CAPABILITIES = (("dac_read_search", 2), ("dac_override", 1))


@dataclass(frozen=True, slots=True)
class Account:
    """Who a server runs as: the words to put before its command, and the owner of its files."""

    prefix: tuple[str, ...]
    uid: int
    gid: int

    def own(self, path: Path) -> None:
        """Give a file or an empty folder to the account."""
        if self.uid != os.geteuid():
            os.chown(path, self.uid, self.gid)


def unprivileged() -> Account:
    """Return this user's account, or for root one that has no rights but to pass folders.

    Raises ConfigurationError when root cannot change to it.
    """
    if os.geteuid() != 0:
        return Account((), os.geteuid(), os.getegid())
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise ConfigurationError(
            "setpriv not found: install the package util-linux, or run as a user"
        )
    entry = _entry()
    capabilities = _pass_folders()
    return Account(
        (
            setpriv,
            f"--reuid={entry.pw_uid}",
            f"--regid={entry.pw_gid}",
            "--clear-groups",
            f"--inh-caps={capabilities}",
            f"--ambient-caps={capabilities}",
            f"--pdeathsig={signal.SIGINT.name}",
        ),
        entry.pw_uid,
        entry.pw_gid,
    )


def _entry() -> pwd.struct_passwd:
    for name in CANDIDATES:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigurationError(
        f"PostgreSQL refuses to run as root and none of the accounts {', '.join(CANDIDATES)} exists"
    )


def _pass_folders() -> str:
    """Return the capability to keep: the state folder and the programs may lie below /root."""
    status = Path("/proc/self/status").read_text()
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    held = int(match[1], 16) if match else 0
    for name, bit in CAPABILITIES:
        if held >> bit & 1:
            return f"-all,+{name}"
    return "-all"
