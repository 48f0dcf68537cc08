"""What a machine keeps of the host it joined as: the file, the server's CA, and how a host takes them up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from labq import config
from labq.config import Settings
from labq.domain.errors import ConfigurationError
from labq.domain.names import check_host_name
from labq.supervisor.state import write_json, write_private

HOST_FILE = "host.json"
CA_FILE = "ca.pem"
# What of a server that runs on the same machine no process of a host has any use for.
OF_THE_SERVER = ("LABQ_DATABASE_URL", "LABQ_SECRET_KEY")
OF_THE_FILE = tuple(f"{config.PREFIX}{name.upper()}" for name in config.HOST_SETTINGS)


def host_folder(settings: Settings, host: str) -> Path:
    """Return the folder of a host on this machine."""
    return settings.host_folder or settings.state / "hosts" / host


def keep(folder: Path, facts: Mapping[str, object], ca: str) -> Path:
    """Write what a host joined with, readable by this user alone; return its file."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if ca:
        write_private(folder / CA_FILE, ca)
    else:
        (folder / CA_FILE).unlink(missing_ok=True)
    path = folder / HOST_FILE
    write_json(path, {name: facts[name] for name in config.HOST_SETTINGS})
    return path


def enter(name: str = "") -> Settings:
    """Make this process one of a host, of `name` or else of LABQ_HOST, and return its settings.

    Where the host's folder has the file of a join, that file goes before the environment, and the
    environment loses what the processes of a host must not have. Raises ConfigurationError, and
    InvalidInputError for a name that no host can have.
    """
    settings = config.load()
    host = name or settings.host
    check_host_name(host)
    path = host_folder(settings, host) / HOST_FILE
    if not path.exists():
        return settings
    for variable in (*OF_THE_SERVER, *OF_THE_FILE):
        os.environ.pop(variable, None)
    os.environ |= {"LABQ_HOST_FILE": str(path), "LABQ_HOST_FOLDER": str(path.parent)}
    return config.load()


def choose(name: str | None) -> str:
    """Return the host to run: `name`, LABQ_HOST, or the only one this machine joined as.

    Raises ConfigurationError when there is none, or no way to tell which.
    """
    if name or "LABQ_HOST" in os.environ:
        return name or os.environ["LABQ_HOST"]
    settings = config.load()
    if settings.host_folder:
        return _host_in(settings.host_folder / HOST_FILE) or settings.host
    found = sorted(path.parent.name for path in (settings.state / "hosts").glob(f"*/{HOST_FILE}"))
    if len(found) > 1:
        raise ConfigurationError(f"this machine joined as {', '.join(found)}: name one of them")
    return found[0] if found else settings.host


def _host_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_text())["host"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read as a host's file: {error}") from error
