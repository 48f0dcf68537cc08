"""What a bench leaves to the next one about limits: the server's configuration, and an overload."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.orders import ConfigOrder
from labq.domain.plan import Queue
from labq.domain.presets import ADAPTIVE, MOST_SLOTS, HostConfig, Preset
from labq.streams import dump_order, load_order

CONFIG = "config.json"
OVERLOAD = "overloaded"

log = logging.getLogger(__name__)


def parse(order: ConfigOrder) -> HostConfig:
    """Return what an order asks for; raises InvalidInputError, naming what this host cannot do."""
    known = [preset.value for preset in Preset]
    if order.preset and order.preset not in known:
        text = f"{order.preset!r} is none of {', '.join(known)}"
        raise InvalidInputError([Problem("preset", text)])
    return HostConfig(
        revision=order.revision,
        preset=Preset(order.preset) if order.preset else None,
        limits=_slots("limits", order.limits),
        ceilings=_slots("ceilings", order.ceilings),
    )


def read_config(folder: Path) -> HostConfig:
    """Return what the server asked for last, nothing when it never did."""
    try:
        order = load_order((folder / CONFIG).read_bytes())
        return parse(order) if isinstance(order, ConfigOrder) else HostConfig()
    except FileNotFoundError:
        return HostConfig()
    except (OSError, InvalidInputError) as error:
        log.warning("%s is not used, the server sends it again: %s", folder / CONFIG, error)
        return HostConfig()


def write_config(folder: Path, order: ConfigOrder) -> None:
    """Keep an order. Not synced: the server sends it again when it is gone."""
    _write(folder / CONFIG, dump_order(order))


def was_overloaded(folder: Path) -> bool:
    """Tell whether the bench before this one ended in an overload; a calm machine ends it soon."""
    return (folder / OVERLOAD).exists()


def note_overload(folder: Path, *, is_overloaded: bool) -> None:
    """Leave word of an overload, or take it away."""
    if is_overloaded:
        (folder / OVERLOAD).touch()
    else:
        (folder / OVERLOAD).unlink(missing_ok=True)


def _slots(where: str, given: Mapping[str, int]) -> Mapping[Queue, int]:
    for name, number in given.items():
        if name not in ADAPTIVE or not 1 <= number <= MOST_SLOTS:
            text = f"{name}={number}: expected one of {', '.join(ADAPTIVE)} and 1 to {MOST_SLOTS}"
            raise InvalidInputError([Problem(where, text)])
    return {Queue(name): number for name, number in given.items()}


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".new")
    temporary.write_bytes(data)
    temporary.replace(path)
