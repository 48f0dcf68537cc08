"""The tables of what is cached and what is limited fit the endpoints, the pages and the docs."""

from __future__ import annotations

from pathlib import Path

import pytest

from labq.services.connections import WEB, count_parts, shares
from labq.services.database import Role
from labq.web.api import ENDPOINTS
from labq.web.cached import CACHED, UNCHANGING, Sharers, life_of
from labq.web.endpoint import Level
from labq.web.lava.rest import ROUTES
from labq.web.lava.rpc import METHODS
from labq.web.limits import LIMITED
from labq.web.pages import PAGES
from labq.web.parsing import PageQuery

DOCS = Path(__file__).parents[2] / "docs" / "caching.md"
BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}


def test_the_docs_show_the_table_of_what_is_cached() -> None:
    shown = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    table = []
    for rule in CACHED:
        lives = "while its tag holds" if rule.life is None else _lives(rule.name)
        table.append(f"| `{rule.name}` | {rule.sharers.value} | {lives} | {rule.why} |")
    assert shown == table


def _lives(name: str) -> str:
    life = life_of(next(rule for rule in CACHED if rule.name == name))
    return f"{life.settled:g} s / {life.longest:g} s / {life.stale:g} s"


def test_what_strangers_share_is_an_answer_that_strangers_get() -> None:
    for rule in CACHED:
        if rule.sharers is Sharers.ANONYMOUS:
            endpoint = BY_NAME[rule.name]
            assert endpoint.level is Level.ANONYMOUS
            assert endpoint.method == "GET"
            assert endpoint.answer is not None


def test_what_carries_a_tag_is_read_below_a_job() -> None:
    for name in UNCHANGING:
        assert BY_NAME[name].path.startswith("/jobs/<id:job>")
        assert BY_NAME[name].method == "GET"


def test_every_list_is_limited_and_nothing_that_is_not_there() -> None:
    methods = {f"rpc.{method.name}" for method in METHODS}
    routes = {route.name for route in ROUTES}
    names = BY_NAME.keys() | {page.name for page in PAGES} | methods | routes
    assert names >= LIMITED
    lists = {
        endpoint.name
        for endpoint in ENDPOINTS
        if endpoint.query is not None
        and issubclass(endpoint.query, PageQuery)
        and endpoint.level is not Level.ADMIN
    }
    assert lists <= LIMITED


def test_each_role_has_limits_of_its_own() -> None:
    assert len(Role) == len(Role.__members__)


@pytest.mark.parametrize("role", [Role.PAGE, Role.API, Role.REPORT, Role.STREAM, Role.CONDUCTOR])
def test_no_statement_of_a_server_runs_for_ever(role: Role) -> None:
    assert 0 < role.value.lock_ms <= role.value.statement_ms <= 30_000


def test_processes_are_counted_by_the_names_of_their_connections() -> None:
    names = ["labq page 7@rack", "labq api 7@rack", "labq api 8@rack", "labq conductor 7@rack"]
    counts = count_parts([*names, "psql", "labq api", "other api 7@x y"])
    assert counts == {"web": 2, "stream": 0, "conductor": 1, "core": 0}


def test_readers_leave_connections_for_all_others() -> None:
    one, two = shares({}), shares({"web": 2})
    assert two.web - one.web == WEB.most(Role.REPORT)
    assert two.rest == one.rest
