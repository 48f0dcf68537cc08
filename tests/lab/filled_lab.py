"""Filled data behind an application without a cache, in this process: for what is asked again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import Engine

from labq.config import Settings
from labq.services.database import Role, make_engine
from labq.web.app import create_app
from tests.lab import places
from tests.lab.filled import Filled, filled
from tests.lab.request_cost import Cost, metering

NOBODY = "redis://127.0.0.1:1/0"
"""Requests need no Redis where nothing is limited."""


@dataclass(frozen=True, slots=True)
class FilledLab:
    """The data, names in it for addresses, and tokens by the names of users."""

    engine: Engine
    settings: Settings
    names: Mapping[str, str]
    tokens: Mapping[str, str]

    def client(self) -> FlaskClient:
        """Return a client of a new application, which knows nothing of what was asked before."""
        return create_app(self.settings, self.engine).test_client()

    def headers(self, who: str) -> Mapping[str, str]:
        """Return what a user sends; an empty name is a stranger."""
        return {"Authorization": f"Bearer {self.tokens[who]}"} if who else {}

    def cost(self, path: str, who: str) -> Cost:
        """Ask twice: what is written at first is not counted, and what a process keeps is not there."""
        address, headers = path.format(**self.names), dict(self.headers(who))
        self.client().get(address, headers=headers)
        client = self.client()
        with metering(self.engine) as meter:
            answer = client.get(address, headers=headers)
        assert answer.status_code == 200, answer.text
        rows, buffers = meter.read()
        return Cost(len(meter.statements), rows, buffers, len(answer.data))


@contextmanager
def filled_lab(data: Filled) -> Iterator[FilledLab]:
    """Give the lab of a server that runs."""
    settings = Settings(
        state=data.state,
        database_url=data.url,
        redis_url=NOBODY,
        secret_key="test-key",
        cache=False,
        anonymous_rate=0,
        token_rate=0,
    )
    engine = make_engine(data.url, Role.API)
    try:
        yield FilledLab(engine, settings, places.find(data), data.facts["tokens"])
    finally:
        engine.dispose()


@contextmanager
def small_lab(folder: Path) -> Iterator[FilledLab]:
    """Give the lab on a copy of the small data set."""
    with filled("small", folder=folder) as data, filled_lab(data) as lab:
        yield lab
