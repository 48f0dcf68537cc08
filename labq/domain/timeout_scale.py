"""Factors for the timeouts of slow hosts and sites, for each kind of step or for all.

The first of these counts: the host's for the kind, the host's for all, the site's for the kind, the
site's for all, 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from labq.domain.errors import InvalidInputError, Problem
from labq.domain.plan import StepKind

ALL = "all"
LEAST, MOST = 0.1, 100.0
Scales = Mapping[str, float]


def parse_scales(text: str, where: str) -> dict[str, float]:
    """Return the factors in `1.5` or `download=2,boot=1.5`; raises InvalidInputError."""
    found: dict[str, float] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        kind, is_named, number = word.rpartition("=")
        try:
            found[kind if is_named else ALL] = float(number)
        except ValueError as error:
            message = f"{word!r} is not KIND=FACTOR or FACTOR"
            raise InvalidInputError([Problem(where, message)]) from error
    check_scales(found, where)
    return found


def check_scales(scales: Scales, where: str) -> None:
    """Raise InvalidInputError that lists every factor that is none."""
    known = (ALL, *StepKind)
    problems = [
        Problem(f"{where}.{kind}", f"expected one of {', '.join(known)}")
        for kind in scales
        if kind not in known
    ]
    problems += [
        Problem(f"{where}.{kind}", f"{factor:g} is not between {LEAST:g} and {MOST:g}")
        for kind, factor in scales.items()
        if not (math.isfinite(factor) and LEAST <= factor <= MOST)
    ]
    if problems:
        raise InvalidInputError(problems)


def scale_of(kind: StepKind, host: Scales, site: Scales) -> float:
    """Return the factor for steps of a kind on a host."""
    for scales in (host, site):
        for name in (kind.value, ALL):
            if name in scales:
                return scales[name]
    return 1.0
