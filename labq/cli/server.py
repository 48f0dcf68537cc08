"""Which server a command talks to, and as whom."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from labq import config
from labq.cli.failures import Misused, Unreachable


@dataclass(frozen=True, slots=True)
class Server:
    """An address, the token for it (empty: anonymous) and where both were found."""

    url: str
    token: str
    origin: str


def login_file() -> Path:
    """Return where `labq login` keeps the address and token of this user."""
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "labq" / "login.json"


def find_server() -> Server:
    """Return the server of LABQ_URL, of `labq login`, or of this user's `labq up`.

    Raises Unreachable when none is known.
    """
    url = os.environ.get("LABQ_URL", "").rstrip("/")
    if url:
        return Server(url, os.environ.get("LABQ_TOKEN") or _saved_token(url), "LABQ_URL")
    for path in (login_file(), running_file()):
        server = read_server(path)
        if server is not None:
            token = os.environ.get("LABQ_TOKEN") or server.token
            return Server(server.url, token, server.origin)
    raise Unreachable(
        "no server is known: start one with `labq up`, or name one with `labq login URL` or LABQ_URL"
    )


def running_file() -> Path:
    """Return where a running `labq up` says its address."""
    return config.load().state / "server.json"


def save_login(server: Server) -> Path:
    """Keep a server for later commands, readable by this user alone."""
    path = login_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump({"url": server.url, "token": server.token}, out)
    fresh.replace(path)
    return path


def _saved_token(url: str) -> str:
    saved = read_server(login_file()) or read_server(running_file())
    return saved.token if saved and saved.url == url else ""


def read_server(path: Path) -> Server | None:
    """Return the server that a file names, None without the file; raises Misused for a bad one."""
    try:
        value = json.loads(path.read_text())
        return Server(str(value["url"]).rstrip("/"), str(value["token"]), str(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Misused(
            f"{path} says no server ({error}): remove it or `labq login` again"
        ) from error
