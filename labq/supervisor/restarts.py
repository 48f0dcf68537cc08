"""What may be asked of a host's supervisor, done with its crew (see `labq.benchlink.steward`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from signal import Signals

from labq.domain.errors import InfrastructureError
from labq.supervisor.crew import Crew
from labq.supervisor.processes import Part

BENCH = "bench"


def answer(
    crew: Crew, parts: Mapping[str, Part], message: Mapping[str, object]
) -> dict[str, object]:
    """Do what a message asks; raises LookupError, InfrastructureError, ValueError."""
    match message["op"]:
        case "restart":
            names = message["names"]
            for name in names if isinstance(names, list) else []:
                part = replace(parts[name], is_fresh=bool(message["fresh"]))
                _restart(crew, part, str(message["reason"]), gently=bool(message["gently"]))
        case "end_leaving":
            pids = message["pids"]
            crew.end_leaving(int(pid) for pid in (pids if isinstance(pids, list) else []))
        case "stop":
            crew.ask_to_stop()
        case "status":
            states = [asdict(state) for state in crew.states() if state.name in parts]
            return {"supervisor": os.getpid(), "parts": states, "leaving": crew.leaving}
        case other:
            raise InfrastructureError(f"a host's supervisor cannot do {other}")
    return {"supervisor": os.getpid()}


def _restart(crew: Crew, part: Part, reason: str, *, gently: bool) -> None:
    """Start a part again.

    The bench leaves its runs to the next one. A worker that has steps finishes them beside the new
    one; one that has none is killed, for it may not listen.
    """
    if part.name == BENCH:
        crew.renew(part, reason, Signals.SIGHUP)
    elif gently:
        crew.replace(part, reason, Signals.SIGTERM)
    else:
        crew.renew(part, reason, Signals.SIGKILL)
