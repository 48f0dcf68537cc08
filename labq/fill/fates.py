"""How a run goes: how far it comes, and what goes wrong. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from labq.domain.errors import ErrorType
from labq.fill.recipes import BOOT, DEPLOY, DOWNLOAD, FIRST_TEST

_LOST_AT = (DOWNLOAD, DEPLOY, BOOT, BOOT, FIRST_TEST)


@dataclass(frozen=True, slots=True)
class Fate:
    """`phase` is the last step that begins, `share` how long it takes beside a good run.

    `flaw` says how many of its cases fail, in 255ths.
    """

    phase: int
    error: ErrorType | None = None
    is_host_fault: bool = False
    share: float = 1.0
    flaw: int = 2


# Of runs where nothing is known to be wrong; the last step where none is named.
_ORDINARY: tuple[tuple[float, int | None, Fate], ...] = (
    (0.005, DEPLOY, Fate(DEPLOY, ErrorType.JOB, share=0.2)),
    (0.025, BOOT, Fate(BOOT, ErrorType.JOB, share=0.6)),
    (0.045, None, Fate(0, ErrorType.TEST, share=1.6, flaw=40)),
    (0.048, BOOT, Fate(BOOT, ErrorType.INFRASTRUCTURE, share=0.5)),
    (0.050, DEPLOY, Fate(DEPLOY, ErrorType.CONFIGURATION, share=0.1)),
    (0.0505, FIRST_TEST, Fate(FIRST_TEST, ErrorType.BUG, share=0.7)),
    (0.090, None, Fate(0, flaw=12)),
)
_CANCELED_SHARE = 0.025


def ordinary(random: Random, luck: float, last: int) -> Fate:
    """Return the fate of a run on a good board; `last` is its last test."""
    if luck > 1 - _CANCELED_SHARE:
        return Fate(int(random.random() * (last + 1)), ErrorType.CANCELED, share=0.5)
    for limit, phase, fate in _ORDINARY:
        if luck < limit:
            reached = last if phase is None else phase
            return Fate(reached, fate.error, share=fate.share, flaw=fate.flaw)
    return Fate(last)


def lost(random: Random, *, is_host_fault: bool) -> Fate:
    """Return the fate of a run whose board or host fails."""
    phase = _LOST_AT[int(random.random() * len(_LOST_AT))]
    return Fate(phase, ErrorType.INFRASTRUCTURE, is_host_fault, share=0.4)


def regressed(luck: float, last: int) -> Fate:
    """Return the fate of a run of a bad build: many do not boot, the others fail much."""
    if luck < 0.35:
        return Fate(BOOT, ErrorType.JOB, share=0.5)
    return Fate(last, flaw=int(20 + luck * 60))
