"""Stands in while methods are filled in."""

from __future__ import annotations

from labq.domain.errors import JobError
from labq.hw.session import Session


def pending(session: Session, _parameters: object) -> None:
    """Raise JobError that names the method."""
    raise JobError(f"method {session.step.method!r} is not built yet")
