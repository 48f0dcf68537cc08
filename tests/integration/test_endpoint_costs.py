"""What requests cost the database on the small data set, held against a bound for each end point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass

import pytest
from sqlalchemy import Engine

from labq.config import Settings
from labq.services.database import Role, make_engine
from labq.web.app import create_app
from tests.benchmarks.endpoints import ASKED, Asked, Most
from tests.lab import places
from tests.lab.filled import filled
from tests.lab.request_cost import metering


@dataclass(frozen=True, slots=True)
class SmallLab:
    """The small data set, its names, and the settings of a server on it without a cache."""

    engine: Engine
    settings: Settings
    names: Mapping[str, str]
    tokens: Mapping[str, str]

    def cost(self, asked: Asked) -> Most:
        """Ask twice: what is written at first is not counted, what a process keeps is not there."""
        path = asked.path.format(**self.names)
        token = self.tokens.get(asked.who, "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        create_app(self.settings, self.engine).test_client().get(path, headers=headers)
        client = create_app(self.settings, self.engine).test_client()
        with metering(self.engine) as meter:
            answer = client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        rows, buffers = meter.cost()
        return Most(len(meter.statements), rows, buffers, len(answer.data))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallLab]:
    with filled("small", folder=tmp_path_factory.mktemp("small")) as data:
        settings = Settings(
            state=data.state,
            database_url=data.url,
            redis_url="redis://127.0.0.1:1/0",
            secret_key="test-key",
            cache=False,
            anonymous_rate=0,
            token_rate=0,
        )
        engine = make_engine(data.url, Role.API)
        yield SmallLab(engine, settings, places.find(data), data.facts["tokens"])
        engine.dispose()


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name.replace(" ", "-"))
def test_a_request_costs_no_more_than_its_bound(small: SmallLab, asked: Asked) -> None:
    cost = small.cost(asked)
    pairs = zip(astuple(cost), astuple(asked.most), strict=True)
    assert all(found <= most for found, most in pairs), f"{cost}, at most {asked.most}"


def test_the_bounds_are_near_what_is_found(small: SmallLab) -> None:
    plain = next(asked for asked in ASKED if asked.name == "jobs of a user")
    cost = small.cost(plain)
    assert cost.queries == plain.most.queries
    assert 2 * cost.buffers > plain.most.buffers
