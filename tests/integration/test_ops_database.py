"""What the database does, as admins see it: statements and plans, lock waits, sizes."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from labq.config import Settings
from labq.domain.errors import ConflictError
from labq.metrics.ledger import keys
from labq.metrics.ledger.records import SlowestCall, StatementRow, Summary
from labq.models.ops import RelationSize
from labq.services.database import Role, make_engine
from labq.services.ops import explain, relation_sizes
from labq.web import observing
from tests.integration.web_site import START, Person, Site
from tests.lab.waiting import until

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _statement(site: Site, admin: Person, words: str) -> dict[str, Any]:
    """Return the recorded statement that has these words."""
    items = site.get("/ops/statements?limit=500", admin).json["items"]
    found: dict[str, Any] = next(one for one in items if words in one["text"])
    return found


def test_a_recorded_select_is_explained_with_times_and_buffers(
    site: Site, ann: Person, admin: Person
) -> None:
    site.device()
    site.get("/hosts", ann)
    found = _statement(site, admin, "FROM host")
    assert found["can_explain"]
    assert found["count"] == 1
    assert found["mean_rows"] == 1.0
    answer = site.send("POST", f"/ops/statements/{found['id']}/explain", admin, json={}).json
    assert "actual time" in answer["plan"]
    assert "Buffers" in answer["plan"]
    assert answer["is_measured"]
    assert not answer["is_masked"]
    plain = site.send(
        "POST", f"/ops/statements/{found['id']}/explain", admin, json={"analyze": False}
    ).json
    assert "actual time" not in plain["plan"]
    page = site.client.get(f"/ops/statements/{found['id']}", headers=admin.headers).text
    assert "Explain (run it, with buffers)" in page


def test_secrets_of_a_call_are_masked_and_the_plan_says_so(site: Site, admin: Person) -> None:
    site.get("/hosts", admin)
    found = _statement(site, admin, "WHERE digest = ")
    assert found["parameters"]["digest"] == "***"
    answer = site.send("POST", f"/ops/statements/{found['id']}/explain", admin, json={}).json
    assert answer["is_masked"]
    assert "digest = '" in answer["plan"]


def test_what_changes_something_is_listed_and_never_explained(
    site: Site, ann: Person, admin: Person
) -> None:
    site.get("/hosts", ann)
    found = _statement(site, admin, "UPDATE token")
    assert not found["can_explain"]
    refused = site.send("POST", f"/ops/statements/{found['id']}/explain", admin, json={})
    assert refused.status_code == 400
    assert "only a SELECT" in refused.json["errors"][0]["message"]


@pytest.mark.parametrize("forged", ["0123456789abcdef", "x", "../jobs", "%00", "1 OR 1=1"])
def test_a_forged_id_is_not_explained(site: Site, admin: Person, forged: str) -> None:
    refused = site.send("POST", f"/ops/statements/{forged}/explain", admin, json={})
    assert refused.status_code == 404


def test_a_call_that_somebody_else_put_into_redis_is_never_run(
    site: Site, admin: Person, settings: Settings
) -> None:
    text_of_it = "SELECT count(*) FROM job"
    call = SlowestCall(text=text_of_it, parameters={}, seal="0" * 64)
    row = StatementRow(
        id="feedfeedfeedfeed",
        text=text_of_it,
        count=1,
        ms=1.0,
        longest_ms=1.0,
        longest_at=NOW,
        rows=1,
        call=call,
    )
    summary = Summary(
        process="forged",
        part="web",
        at=NOW,
        began_at=NOW,
        requests=0,
        sql_log_until=None,
        endpoints=(),
        sites=(),
        minutes=(),
        statements=(row,),
    )
    with redis.Redis.from_url(settings.redis_url) as client:
        client.zadd(keys.PROCESSES, {"forged": 9e9, "broken": 9e9})
        client.set(keys.summary("forged"), keys.SUMMARY.dump_json(summary))
        client.set(keys.summary("broken"), b"{")
    assert not _statement(site, admin, text_of_it)["can_explain"]
    refused = site.send("POST", f"/ops/statements/{row.id}/explain", admin, json={})
    assert refused.status_code == 409


def test_an_explained_statement_can_change_nothing(settings: Settings) -> None:
    statement = "SELECT labq_trap(%(x)s)"
    url = settings.database_url
    engine = make_engine(url, Role.COMMAND)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE trap (x int)"))
        connection.execute(
            text(
                "CREATE FUNCTION labq_trap(x int) RETURNS int LANGUAGE sql VOLATILE "
                "AS 'INSERT INTO trap VALUES (x) RETURNING x'"
            )
        )
    with pytest.raises(ConflictError, match="read-only transaction"):
        explain.explain(url, statement, {"x": 1}, runs=True)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM trap")) == 0
    engine.dispose()


def test_an_explained_statement_is_stopped_when_it_takes_too_long(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explain, "ANALYZE_MS", 100)
    statement = "SELECT count(*) FROM generate_series(1, 100000000)"
    with pytest.raises(ConflictError, match="statement timeout"):
        explain.explain(settings.database_url, statement, {}, runs=True)


def test_a_slow_statement_gets_its_plan_by_itself(site: Site, ann: Person, admin: Person) -> None:
    observer = observing.observer_of(site.app)
    assert observer is not None
    site.get("/hosts", ann)
    found = _statement(site, admin, "FROM host")
    counts = observer.ledger.statements[found["id"]]
    counts.longest = observer.ledger.bounds.statement + 1
    observer.carry()
    assert "cost=" in _statement(site, admin, "FROM host")["plan"]


def test_who_waits_for_a_lock_is_shown_with_its_holder_and_without_values(
    site: Site, admin: Person
) -> None:
    with site.engine.connect() as holder, site.engine.connect() as waiting:
        holder.execute(text("LOCK TABLE host IN ACCESS EXCLUSIVE MODE"))

        def wait() -> None:
            with suppress(OperationalError):
                waiting.execute(text("SELECT 'geheim' FROM host"))

        thread = threading.Thread(target=wait)
        thread.start()
        (found,) = until(lambda: site.get("/ops/locks", admin).json["items"], "a lock wait")
        (shown,) = site.get("/ops/transactions", admin).json["open"][:1]
        page = site.client.get("/ops/transactions", headers=admin.headers).text
        holder.rollback()
        thread.join(30)
        waiting.rollback()
    assert found["wanted"] == "AccessShareLock on host"
    assert found["statement"] == "SELECT ? FROM host"
    assert found["holder_statement"] == "LOCK TABLE host IN ACCESS EXCLUSIVE MODE"
    assert found["holder_state"] == "idle in transaction"
    assert shown["statement"] == found["holder_statement"]
    assert "AccessShareLock on host" in page


def test_transactions_are_counted_by_site_and_minute(
    site: Site, ann: Person, admin: Person
) -> None:
    for _ in range(3):
        site.get("/hosts", ann)
    view = site.get("/ops/transactions", admin).json
    sites = {row["site"]: row for row in view["sites"]}
    assert (sites["api.hosts.index"]["count"], sites["api.hosts.index"]["failed"]) == (3, 0)
    assert sites["api.hosts.index"]["longest_ms"] > 0
    assert sum(row["count"] for row in view["minutes"]) == sum(
        row["count"] for row in view["sites"]
    )


def test_extensions_of_the_server_are_shown_as_absent(site: Site, admin: Person) -> None:
    server = site.get("/ops/statements", admin).json["server"]
    assert server["pg_stat_statements"].startswith("absent")
    assert server["auto_explain"].startswith("absent")
    assert server["statements"] == []


def test_growth_is_measured_against_a_sample_that_is_a_day_old(site: Site) -> None:
    with Session(site.engine) as session, session.begin():
        assert relation_sizes.sample(session, START) > 50
        assert relation_sizes.sample(session, START + timedelta(minutes=59)) == 0
    with Session(site.engine) as session, session.begin():
        session.execute(
            text("UPDATE relation_size SET bytes = bytes - 1000000 WHERE name = 'user'")
        )
        later = START + timedelta(days=2)
        found = {one.name: one for one in relation_sizes.find(session, later)}
    assert found["user"].bytes_per_day == 500_000
    assert found["user"].since == START
    assert found["host"].bytes_per_day == 0
    assert (found["pk_user"].kind, found["pk_user"].owner) == ("index", "user")
    partition = next(one for one in found.values() if one.owner == "test_case")
    assert partition.name.startswith("test_case_")


def test_of_days_that_are_over_one_sample_stays(site: Site) -> None:
    for hours in (0, 1, 2, 25, 26, 24 * 5):
        with Session(site.engine) as session, session.begin():
            relation_sizes.sample(session, START + timedelta(hours=hours))
    with Session(site.engine) as session:
        moments = session.scalars(select(RelationSize.measured_at).distinct()).all()
        assert sorted(moments) == [START, START + timedelta(hours=25), START + timedelta(days=5)]
    with Session(site.engine) as session, session.begin():
        relation_sizes.sample(session, START + relation_sizes.KEPT + timedelta(days=3))
        assert session.scalar(select(func.min(RelationSize.measured_at))) == START + timedelta(
            days=5
        )
