"""Lists are read from a replica that keeps up; from the primary when it does not, and nobody notices."""

from __future__ import annotations

import json
import shutil
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from labq.web.api import ENDPOINTS
from labq.web.pages import PAGES
from tests.integration.replicas import LAG, Replicated, replicated
from tests.lab.waiting import until

TYPES = "/api/v1/device-types"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """Return a server with a replica."""
    with replicated(tmp_path_factory.mktemp("replica")) as made:
        yield made


@pytest.fixture(autouse=True)
def _in_use(lab: Replicated) -> None:
    """Begin each test with a replica that is read from."""
    if "replica" not in lab.processes:
        lab.start_replica()
    until(lambda: _standing(lab)["is_used"], "the replica is used")


def _get(lab: Replicated, path: str, token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{lab.url}{path}", headers=headers, timeout=10)


def _standing(lab: Replicated) -> dict[str, Any]:
    try:
        found: dict[str, Any] = _get(lab, "/api/v1/system/health").json()["replica"]
    except httpx.TransportError:
        return {"is_used": False}
    return found


def _types(lab: Replicated, token: str = "") -> set[str]:
    answer = _get(lab, TYPES, token)
    assert answer.status_code == 200, answer.text
    return {item["name"] for item in answer.json()["items"]}


def _add_type(lab: Replicated, name: str) -> None:
    """Add a row as somebody else would."""
    lab.change(f"INSERT INTO device_type (name) VALUES ('{name}')")


def test_a_list_is_read_from_the_replica_and_its_lag_is_shown(lab: Replicated) -> None:
    names = (f"unseen-{number}" for number in count())

    def is_unseen() -> bool:
        """Tell whether a row was not seen that the primary has, which is so until the limit."""
        name = next(names)
        with lab.paused():
            _add_type(lab, name)
            seen = _types(lab)
        until(lambda: name in _types(lab), "the replica went on")
        return name not in seen

    until(is_unseen, "a list comes from the replica")
    standing = _standing(lab)
    assert standing["limit_seconds"] == LAG
    assert standing["lag_seconds"] >= 0


def test_a_replica_that_is_held_back_is_left_at_the_limit_and_taken_up_again(
    lab: Replicated,
) -> None:
    with lab.paused():
        _add_type(lab, "held-back")
        until(lambda: "held-back" in _types(lab), "the primary is read")
        standing = _standing(lab)
        assert standing["lag_seconds"] > LAG
        assert "lags by" in standing["detail"]
    until(lambda: _standing(lab)["is_used"], "the replica is used again")


def test_a_quiet_primary_is_no_lag(lab: Replicated) -> None:
    since = lab.ask("SELECT clock_timestamp()")
    gone = f"SELECT clock_timestamp() > '{since}'::timestamptz + interval '{2 * LAG} s'"
    until(lambda: lab.ask(gone), "longer than it may lag")
    assert _standing(lab)["is_used"]


def test_who_has_written_reads_the_own_write_and_others_read_the_replica(lab: Replicated) -> None:
    names = (f"mine-{number}" for number in count())
    headers = {"Authorization": f"Bearer {lab.token}"}

    def is_mine_alone() -> bool:
        name = next(names)
        with lab.paused():
            made = httpx.post(f"{lab.url}{TYPES}", json={"name": name}, headers=headers, timeout=10)
            assert made.is_success, made.text
            assert name in _types(lab, lab.token)
            return name not in _types(lab)

    until(is_mine_alone, "others read the replica")


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_a_replica_that_goes_is_no_error_for_anybody(lab: Replicated, how: str) -> None:
    statuses: deque[int] = deque()

    def ask() -> bool:
        statuses.append(_get(lab, TYPES, lab.token).status_code)
        statuses.append(_get(lab, "/device-types/none").status_code)
        return not _standing(lab)["is_used"]

    if how == "killed":
        lab.kill("replica")
        until(ask, "the replica is given up")
        _add_type(lab, "after-the-kill")
        assert "after-the-kill" in _types(lab)
        lab.start_replica()
    else:
        with lab.frozen("replica"):
            until(ask, "the replica is given up")
            _add_type(lab, "while-frozen")
            assert "while-frozen" in _types(lab)
    until(lambda: _standing(lab)["is_used"], "the replica is used again")
    assert set(statuses) <= {200, 404}


def test_a_replica_that_was_promoted_is_none(lab: Replicated) -> None:
    lab._on_replica("SELECT pg_promote()")
    until(lambda: "no replica" in _standing(lab)["detail"], "it is noticed")
    _add_type(lab, "after-the-promotion")
    assert "after-the-promotion" in _types(lab)
    told = lab.cli("doctor", "--json")
    (finding,) = (one for one in json.loads(told.stdout) if one["name"] == "read replica")
    assert finding["state"] == "weak"
    assert "no replica" in finding["found"]
    lab.kill("replica")
    shutil.rmtree(lab.standby.folder)
    lab.copy()


def test_only_what_reads_may_lag() -> None:
    records = [record for record in (*ENDPOINTS, *PAGES) if record.may_lag]
    assert {record.name for record in records} >= {"api.jobs.index", "pages.jobs.jobs"}
    assert {record.method for record in records} == {"GET"}
