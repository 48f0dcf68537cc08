"""The pools of a web process: pages, API and reports never wait for each other's connections."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from labq.config import Settings
from labq.services.database import Role, make_engine


@dataclass(frozen=True, slots=True)
class Pools:
    """An engine each; `report` reads only."""

    page: Engine
    api: Engine
    report: Engine

    def dispose(self) -> None:
        """Close all connections that are not in use."""
        for engine in (self.page, self.api, self.report):
            engine.dispose()


def open_pools(settings: Settings) -> Pools:
    """Return the pools of this process, each with the rights and limits of its role."""
    return Pools(
        page=make_engine(settings.web_database, Role.PAGE),
        api=make_engine(settings.web_database, Role.API),
        report=make_engine(settings.report_database, Role.REPORT),
    )


def shared(engine: Engine) -> Pools:
    """Return one engine for everything."""
    return Pools(engine, engine, engine)
