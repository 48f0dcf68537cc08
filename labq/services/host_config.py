"""What is asked of a host: the preset and limits of its slots, the scale of its timeouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import InvalidInputError, NotFoundError, Problem
from labq.domain.orders import ConfigOrder
from labq.domain.presets import ADAPTIVE, MOST_SLOTS, Preset
from labq.domain.timeout_scale import check_scales
from labq.models.host import Host
from labq.services import transitions

OWN = "own"
"""In place of a preset: what the host's own settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """What to change; None leaves as it is. 0 slots: no longer fixed, no longer bounded.

    `preset` is a preset's name or `own`. `timeout_scales` takes the place of all factors. `drain` is
    why the host is to end its runs at once and begin none, empty to let it work again.
    """

    preset: str | None = None
    limits: Mapping[str, int] | None = None
    ceilings: Mapping[str, int] | None = None
    timeout_scales: Mapping[str, float] | None = None
    drain: str | None = None


def change(session: Session, name: str, wanted: ConfigChange) -> None:
    """Change what is asked of a host, which hears of it within seconds and need not restart.

    Raises NotFoundError, and InvalidInputError that names what cannot be asked.
    """
    _check(wanted)
    rows = transitions.lock(session, Host, [name])
    if not rows:
        raise NotFoundError(f"there is no host {name!r}")
    host = rows[0]
    config = _changed(host.config, wanted)
    if config != host.config:
        host.config, host.config_revision = config, host.config_revision + 1
    if wanted.timeout_scales is not None:
        host.timeout_scales = dict(wanted.timeout_scales)


def find_orders(session: Session) -> dict[str, ConfigOrder]:
    """Return what is asked of each host, nothing for hosts of which nothing ever was."""
    query = select(Host.name, Host.config, Host.config_revision).where(Host.config_revision > 0)
    return {
        name: ConfigOrder(
            revision=revision,
            preset=config.get("preset", ""),
            limits=config.get("limits", {}),
            ceilings=config.get("ceilings", {}),
            drain=config.get("drain", ""),
        )
        for name, config, revision in session.execute(query)
    }


def _changed(before: Mapping[str, Any], wanted: ConfigChange) -> dict[str, Any]:
    config = dict(before)
    if wanted.preset is not None:
        config["preset"] = "" if wanted.preset == OWN else wanted.preset
    if wanted.drain:
        config["drain"] = wanted.drain
    elif wanted.drain is not None:
        config.pop("drain", None)
    for key, given in (("limits", wanted.limits), ("ceilings", wanted.ceilings)):
        if given is not None:
            merged = {**config.get(key, {}), **given}
            config[key] = {queue: number for queue, number in merged.items() if number}
    return config


def _check(wanted: ConfigChange) -> None:
    problems = []
    known = (OWN, *Preset)
    if wanted.preset is not None and wanted.preset not in known:
        text = f"{wanted.preset!r} is none of {', '.join(known)}"
        problems.append(Problem("preset", text))
    for where, slots in (("limits", wanted.limits), ("ceilings", wanted.ceilings)):
        for queue, number in (slots or {}).items():
            if queue not in ADAPTIVE:
                problems.append(Problem(f"{where}.{queue}", f"none of {', '.join(ADAPTIVE)}"))
            elif not 0 <= number <= MOST_SLOTS:
                problems.append(Problem(f"{where}.{queue}", f"not between 0 and {MOST_SLOTS}"))
    if problems:
        raise InvalidInputError(problems)
    check_scales(wanted.timeout_scales or {}, "timeout_scales")
