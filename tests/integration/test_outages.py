"""Redis or the database gone, frozen, set back: what is asked is answered, what runs runs on."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg2
import pytest
from alembic.script import ScriptDirectory

from labq.services import schema, tickets
from labq.services.tickets import Ticket
from tests.lab.devices import shell_job
from tests.lab.jobs import say, wait_for_file
from tests.lab.production import DATABASE, Production, server
from tests.lab.waiting import until

LINES = 40
PATIENCE = httpx.Timeout(1.5)
"""What must be answered within a second, with something for a busy machine."""
NUMBERS = count()
KNOWN = ScriptDirectory.from_config(schema.configuration()).get_current_head()
ROOT = Path(__file__).parents[2]
NEXT = "import labq.domain.protocol as p; p.PROTOCOL = p.OLDEST = 2; from "
RELAY = """
import sys, time
from tests.chaos.relay import Relay
line = Relay().add("127.0.0.1", lambda: ("127.0.0.1", int(sys.argv[1])))
print(line.address[1], flush=True)
time.sleep(100000)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """Return a running server with a host."""
    with server(tmp_path_factory.mktemp("outages"), "shell=2") as made:
        yield made


def _ask(lab: Production, path: str, token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{lab.url}{path}", headers=headers, timeout=PATIENCE)


@contextmanager
def _queries_held(lab: Production) -> Iterator[None]:
    """Keep all queries for jobs waiting."""
    connection = psycopg2.connect(lab.postgres.url(DATABASE))
    connection.cursor().execute("LOCK TABLE job IN ACCESS EXCLUSIVE MODE")
    try:
        yield
    finally:
        connection.close()


def _waiting(lab: Production) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    found: int = lab.ask(query + " AND application_name LIKE 'labq api %'")
    return found


def test_all_requests_in_a_query_of_a_database_that_freezes_are_answered(lab: Production) -> None:
    with ThreadPoolExecutor(12) as pool, _queries_held(lab):
        asked = [pool.submit(httpx.get, f"{lab.url}/api/v1/jobs", timeout=20) for _ in range(12)]
        until(lambda: _waiting(lab) == 7, "every thread that reads may have is in a query")
        with lab.frozen("postgres"):
            for request in asked:
                answer = request.result(2)
                assert answer.status_code == 503
                assert answer.headers["Retry-After"] == "2"
                assert answer.json()["missing"][0]["name"] == "database"
    until(lambda: _ask(lab, "/api/v1/jobs").status_code == 200, "the database is back")


@pytest.mark.parametrize("how", ["frozen", "killed"])
def test_without_a_database_each_request_is_told_soon_what_is_missing(
    lab: Production, how: str
) -> None:
    with _outage(lab, "postgres", how):
        for path in ("/api/v1/jobs", "/api/v1/hosts", "/api/v1/jobs"):
            answer = _ask(lab, path, lab.token)
            assert answer.status_code == 503
            assert answer.headers["Retry-After"] == "2"
        page = _ask(lab, "/jobs")
        assert page.status_code == 503
        assert "The database does not answer: nothing can be shown" in page.text
        health = _ask(lab, "/api/v1/system/health")
        assert health.status_code == 503
        assert {part["name"]: part["is_well"] for part in health.json()["parts"]} == {
            "database": False,
            "redis": True,
        }
    until(lambda: _ask(lab, "/api/v1/jobs").status_code == 200, "the database is back")


def test_a_live_log_is_refused_soon_without_a_database_and_shown_afterwards(
    lab: Production,
) -> None:
    client = lab.client()
    job = client.run(shell_job(say("true", "said")))["id"]
    with lab.frozen("postgres"):
        answer = httpx.get(_live(lab, job), timeout=PATIENCE)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
    until(lambda: httpx.get(_live(lab, job), timeout=20).status_code == 200, "the log")
    client.close()


def _live(lab: Production, job: int) -> str:
    """Return the address that browsers are sent to, signed as the web process does."""
    key, subject = lab.environment["LABQ_SECRET_KEY"], tickets.job_subject(job)
    ticket = tickets.issue(key, Ticket(subject=subject, user_id=None, origin=lab.url))
    port = lab.environment["LABQ_STREAM_PORT"]
    return f"http://127.0.0.1:{port}/jobs/{job}/log?ticket={ticket}"


def test_what_needs_no_database_is_served_without_one(lab: Production) -> None:
    with lab.frozen("postgres"):
        for path in ("/static/labq.css", "/api/docs", "/api/v1/system/version"):
            assert _ask(lab, path).status_code == 200
    until(lab.is_well, "the database is back")


def test_a_job_is_accepted_without_redis_and_runs_when_it_is_back(lab: Production) -> None:
    client = lab.client()
    with lab.frozen("redis"):
        job = client.submit(shell_job(say("true", "said")))
        page = httpx.get(f"{lab.url}/", timeout=PATIENCE)
        assert page.status_code == 200
        health = _ask(lab, "/api/v1/system/health").json()
        assert {part["name"] for part in health["parts"] if not part["is_well"]} == {"redis"}
    assert client.finish(job)["outcome"] == "complete"
    client.close()


@contextmanager
def _outage(lab: Production, name: str, how: str) -> Iterator[None]:
    """Take a server away until the block is left."""
    if how == "frozen":
        with lab.frozen(name):
            yield
        return
    lab.kill(name)
    try:
        yield
    finally:
        if name == "redis":
            DAMAGE.get(how, _nothing)(lab)
            lab.start_redis()
        else:
            lab.start_postgres()


def _nothing(_lab: Production) -> None:
    """Leave the data as it is."""


def _empty(lab: Production) -> None:
    shutil.rmtree(lab.redis.folder / "appendonlydir")


def _cut(lab: Production) -> None:
    """Take away what was written since the copy, and half a command more, as a crash may."""
    for path in _copy(lab).glob("*.incr.aof"):
        os.truncate(lab.redis.folder / "appendonlydir" / path.name, path.stat().st_size - 7)


def _set_back(lab: Production) -> None:
    """Put the data in place that was there before the job ran."""
    _empty(lab)
    shutil.copytree(_copy(lab), lab.redis.folder / "appendonlydir")


DAMAGE: dict[str, Callable[[Production], None]] = {
    "emptied": _empty,
    "cut": _cut,
    "set back": _set_back,
}


def _copy(lab: Production) -> Path:
    return lab.folder / "copy"


def _keep_copy(lab: Production) -> None:
    shutil.rmtree(_copy(lab), ignore_errors=True)
    shutil.copytree(lab.redis.folder / "appendonlydir", _copy(lab))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("postgres", "frozen"),
        ("postgres", "killed"),
        ("redis", "frozen"),
        ("redis", "killed"),
        ("redis", "emptied"),
        ("redis", "cut"),
        ("redis", "set back"),
    ],
)
def test_a_running_job_goes_on_and_everything_comes_later_in_order(
    lab: Production, name: str, how: str
) -> None:
    folder = lab.folder / f"job-{next(NUMBERS)}"
    folder.mkdir()
    client = lab.client()
    _keep_copy(lab)
    generation = _generation(lab)
    job = client.submit(_job(folder))
    until((folder / "first").exists, "the job runs")
    with _outage(lab, name, how):
        (folder / "go").touch()
        # The job works while the server is away: it has come to its last command.
        until((folder / "second").exists, "the job goes on")
    done = client.finish(job)
    assert done["outcome"] == "complete"
    _judge(client.lines(job), client.results(job))
    assert lab.ask(f"SELECT count(*) FROM run WHERE job_id = {job}") == 1
    until(lambda: client.device(done["device"])["state"] == "idle", "the device is free")
    assert lab.ask("SELECT count(*) FROM rejected_event") == 0
    is_started_again = name == "redis" and how != "frozen"
    assert (_generation(lab) != generation) is is_started_again
    client.close()


def _generation(lab: Production) -> object:
    """Return what reports must carry to count."""
    return lab.ask("SELECT generation FROM leader")


def _job(folder: Path) -> str:
    return shell_job(
        *_part("first", folder), say(wait_for_file(folder / "go")), *_part("second", folder)
    )


def _part(name: str, folder: Path) -> list[Any]:
    burst = f"for n in $(seq 1 {LINES}); do echo {name}-$n-; done"
    return [say(burst), say("true", f"case-{name}"), say(f"touch {folder / name}")]


def _judge(lines: list[dict[str, Any]], results: list[dict[str, Any]]) -> None:
    wanted = [f"{name}-{n}-" for name in ("first", "second") for n in range(1, LINES + 1)]
    assert [line["msg"] for line in lines if line["msg"] in wanted] == wanted
    cases = Counter(case["name"] for case in results if case["suite"] != "lava")
    assert cases == {"case-first": 1, "case-second": 1}


def test_a_server_machine_that_dies_and_starts_again_ends_the_job_of_its_host(
    lab: Production,
) -> None:
    folder = lab.folder / "reboot"
    folder.mkdir()
    client = lab.client()
    job = client.submit(_job(folder))
    until((folder / "first").exists, "the job runs")
    lab.kill("web", "conductor", "core", "redis", "postgres")
    (folder / "go").touch()
    until((folder / "second").exists, "the host goes on alone")
    lab.start_servers()
    for part in ("conductor", "web", "core"):
        lab.start(part)
    lab.wait_until_well()
    client.close()
    again = lab.client()
    assert again.finish(job)["outcome"] == "complete"
    _judge(again.lines(job), again.results(job))
    again.close()


def test_every_part_is_replaced_on_a_newer_schema_while_a_job_runs(lab: Production) -> None:
    folder = lab.folder / "upgrade"
    folder.mkdir()
    client = lab.client()
    job = client.submit(_job(folder))
    until((folder / "first").exists, "the job runs")
    _migrate(lab, "9999")
    with _second_conductor(lab):
        for part in ("conductor", "core", "web"):
            lab.end(part)
            lab.start(part)
        restarted = lab.cli("host", "restart", "all")
        assert restarted.returncode == 0, restarted.stderr
    until(lab.is_well, "all is well")
    client.close()
    (folder / "go").touch()
    assert client.finish(job)["outcome"] == "complete"
    _judge(client.lines(job), client.results(job))
    assert lab.ask(f"SELECT max(epoch) FROM run WHERE job_id = {job}") == 1
    _migrate(lab, KNOWN)
    client.close()


def _migrate(lab: Production, revision: str) -> None:
    """Add what the parts do not know, as a newer labq would, or take it away."""
    change = f"UPDATE alembic_version SET version_num = '{revision}'"
    lab.change(
        f"{change}; ALTER TABLE run ADD COLUMN weight int; CREATE TABLE scales (id int)"
        if revision != KNOWN
        else f"{change}; ALTER TABLE run DROP COLUMN weight; DROP TABLE scales"
    )


def test_runs_of_a_host_that_became_too_old_finish_and_no_new_one_begins(lab: Production) -> None:
    client, go = lab.client(), lab.folder / "go-on-old"
    job = client.submit(shell_job(say("true", "before"), say(wait_for_file(go), "after")))
    client.wait_for(job, "running")
    lab.end("conductor")
    lab.spawn("conductor", sys.executable, "-c", NEXT + "labq.conductor.serve import main; main()")
    until(lambda: client.get("/hosts/rack").json["mismatch"], "the host is too old")
    waiting = client.submit(shell_job(say("true", "later")))
    go.touch()
    assert client.finish(job)["outcome"] == "complete"
    assert "upgrade host rack" in client.get("/hosts/rack").json["mismatch"]
    assert client.job(waiting)["state"] == "submitted"
    lab.end("conductor")
    lab.start("conductor")
    assert client.finish(waiting)["outcome"] == "complete"
    client.close()


def _leader(lab: Production) -> str:
    """Return which of the conductors leads."""
    holder = lab.ask("SELECT holder FROM leader WHERE until > clock_timestamp()") or "::"
    pids = {process.pid: name for name, process in lab.processes.items()}
    return pids.get(int(holder.split(":")[1] or 0), "")


@contextmanager
def _second_conductor(lab: Production) -> Iterator[None]:
    lab.start("conductor", "conductor-2")
    until(lambda: "waits to lead" in lab.log("conductor-2").read_text(), "a second conductor")
    try:
        yield
    finally:
        until(lambda: _leader(lab), "somebody leads")
        lab.end("conductor-2")


def test_another_conductor_takes_over_and_the_paused_one_does_no_harm(lab: Production) -> None:
    client = lab.client()
    with _second_conductor(lab):
        leader = until(lambda: _leader(lab), "one leads")
        with lab.frozen(leader):
            job = client.submit(shell_job(say("true", "said")))
            assert client.finish(job)["outcome"] == "complete"
            until(lambda: _leader(lab) not in ("", leader), "another one leads")
        later = client.submit(shell_job(say("true", "said")))
        assert client.finish(later)["outcome"] == "complete"
        for each in (job, later):
            assert lab.ask(f"SELECT count(*) FROM run WHERE job_id = {each}") == 1
            names = Counter(case["name"] for case in client.results(each))
            assert names["said"] == 1
    client.close()


def test_a_conductor_whose_way_to_the_database_goes_silent_is_replaced_and_comes_back(
    lab: Production,
) -> None:
    lab.spawn("relay", sys.executable, "-c", RELAY, str(lab.postgres.port), cwd=ROOT)
    port = until(lambda: lab.log("relay").read_text().strip(), "the relay listens")
    lab.kill("conductor")
    lab.start("conductor", database_url=lab.database_url_at(int(port)))
    client = lab.client()
    assert client.run(shell_job(say("true", "said")))["outcome"] == "complete"
    with _second_conductor(lab):
        assert _leader(lab) == "conductor"
        with lab.frozen("relay"):
            assert client.run(shell_job(say("true", "said")))["outcome"] == "complete"
            assert _leader(lab) == "conductor-2"
    # The second one is gone: the first one has found its way back to the database.
    assert client.run(shell_job(say("true", "said")))["outcome"] == "complete"
    assert _leader(lab) == "conductor"
    lab.kill("conductor", "relay")
    lab.start("conductor")
    client.close()
