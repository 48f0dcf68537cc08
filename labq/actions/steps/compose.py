"""Services beside the device by docker compose: how it is called, and their end with the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labq.actions.steps import tool
from labq.actions.steps.dictionary import texts
from labq.actions.steps.work import Work
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.verdicts import Level
from labq.hw.session import Session

SERVICES = "services"
"""Under this key the commands are remembered that stop the services of the run."""


def program(work: Work, deadline: Deadline) -> list[str]:
    """Return how compose is called on this host; raises InfrastructureError when it is not there."""
    if _works(work, ["docker", "compose", "version"], deadline):
        return ["docker", "compose"]
    if _works(work, ["docker-compose", "version"], deadline):
        return ["docker-compose"]
    raise InfrastructureError("test services need docker compose on the host, which is not there")


def _works(work: Work, argv: list[str], deadline: Deadline) -> bool:
    try:
        return work.session.run(argv, deadline).returncode == 0
    except InfrastructureError:
        return False


def write_environment(work: Work, folder: Path) -> None:
    """Add what tests are told to the `.env` of the compose file's folder."""
    plan = work.session.plan
    given = plan.dictionary.get("environment")
    values = dict(given) if isinstance(given, Mapping) else {}
    for step in plan.steps:
        if step.overlay is not None:
            values |= step.overlay.environment
    with (folder / ".env").open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())


def remember(session: Session, stop: list[str]) -> None:
    """Remember how services are stopped, before they are started."""
    known = _remembered(session)
    if stop not in known:
        session.remember(SERVICES, [*known, stop])


def stop_all(session: Session, deadline: Deadline) -> None:
    """Stop all services of the run, the last one first; one that fails is a warning."""
    stops = _remembered(session)
    for stop in reversed(stops):
        finished = session.run(stop, deadline)
        if finished.returncode != 0:
            session.log(Level.WARNING, tool.failure(stop, finished))
    if stops:
        session.remember(SERVICES, [])


def _remembered(session: Session) -> list[list[str]]:
    known = session.recall(SERVICES)
    return [texts(one) for one in known] if isinstance(known, list) else []
