"""The command line against a real server: exit codes, `--json`, what people read."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.cli_runner import Cli, served
from tests.integration.web_site import PASSWORD, Person, Site

GOOD_JOB = """\
job_name: from the command line
device_type: shell
visibility: public
timeouts: {job: {minutes: 1}}
actions: []
"""
BAD_JOB = "job_name: x\nactions: 5\n"


@pytest.fixture
def cli(site: Site, tmp_path: Path) -> Iterator[Cli]:
    """Return the command line before a server with one device."""
    site.device()
    with served(site) as url:
        yield Cli(url, tmp_path)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return the file of a definition that is accepted."""
    path = tmp_path / "good.yaml"
    path.write_text(GOOD_JOB)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """Return the file of a definition that is refused."""
    path = tmp_path / "bad.yaml"
    path.write_text(BAD_JOB)
    return path


def _good(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def _failed(answer: subprocess.CompletedProcess[str], code: int) -> str:
    assert answer.returncode == code, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stderr


def test_help_imports_no_command_and_nothing_heavy(cli: Cli) -> None:
    answer = cli("--help", PYTHONPROFILEIMPORTTIME="1")
    assert "submit" not in answer.stdout.split("Commands:")[0]
    for heavy in ("httpx", "sqlalchemy", "flask", "celery", "pydantic"):
        assert f" {heavy}\n" not in answer.stderr


def test_a_job_is_submitted_listed_shown_canceled_and_resubmitted(
    cli: Cli, ann: Person, good: Path
) -> None:
    job = json.loads(_good(cli("job", "submit", good, "--json", person=ann)))["id"]
    assert "/jobs/" in _good(cli("job", "submit", good, person=ann))
    assert "from the command line" in _good(cli("job", "list", "--mine", person=ann))
    shown = _good(cli("job", "show", job, person=ann))
    assert "submitted" in shown
    assert GOOD_JOB in _good(cli("job", "show", job, "--definition", person=ann))
    assert "canceled" in _good(cli("job", "cancel", job, person=ann))
    again = json.loads(_good(cli("job", "resubmit", job, "--json", person=ann)))["id"]
    assert again > job


def test_a_definition_may_come_from_standard_input(cli: Cli, ann: Person) -> None:
    answer = cli("job", "submit", "-", "--priority", 7, "--json", person=ann, stdin=GOOD_JOB)
    job = json.loads(_good(answer))["id"]
    assert json.loads(_good(cli("job", "show", job, "--json", person=ann)))["priority"] == 7


def test_a_refused_definition_names_path_and_line_and_exits_1(
    cli: Cli, ann: Person, bad: Path
) -> None:
    told = _failed(cli("job", "submit", bad, person=ann), 1)
    assert "actions (line 2)" in told
    answer = cli("job", "submit", bad, "--json", person=ann)
    assert answer.returncode == 1
    error = json.loads(answer.stdout)["error"]
    assert error["status"] == 400
    assert any(item["path"] == "actions" for item in error["errors"])


def test_waiting_for_a_canceled_job_exits_1(cli: Cli, ann: Person, good: Path) -> None:
    job = json.loads(_good(cli("job", "submit", good, "--json", person=ann)))["id"]
    assert "has not ended in time" in _failed(
        cli("job", "wait", job, "--timeout", 0, person=ann), 1
    )
    _good(cli("job", "cancel", job, person=ann))
    answer = cli("job", "wait", job, "--json", person=ann)
    assert answer.returncode == 1
    assert json.loads(answer.stdout)[0]["outcome"] == "canceled"


def test_waiting_for_a_complete_job_exits_0(site: Site, cli: Cli, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device("board-2"))
    assert "complete in 10.0 s" in _good(cli("job", "wait", job, person=ann))


def test_a_hidden_job_exits_1_and_says_so(site: Site, cli: Cli, ann: Person, bob: Person) -> None:
    job = site.job(ann, viewing_groups=[])
    assert f"there is no job {job}" in _failed(cli("job", "show", job, person=bob), 1)


def test_what_needs_a_log_in_says_how_to_log_in(cli: Cli, good: Path) -> None:
    assert "labq login" in _failed(cli("job", "submit", good), 1)


def test_a_bad_token_exits_1(cli: Cli) -> None:
    stranger = Person(0, "nobody", "labq_wrong")
    assert "token" in _failed(cli("job", "list", person=stranger), 1)


def test_wrong_usage_exits_2(cli: Cli, tmp_path: Path) -> None:
    _failed(cli("job", "show"), 2)
    _failed(cli("nonsense"), 2)
    _failed(cli("job", "list", "--state", "nonsense"), 2)
    assert "can't read" in _failed(cli("job", "submit", tmp_path / "none.yaml"), 2)
    assert "LABQ_WEB_PORT" in _failed(cli("doctor", LABQ_WEB_PORT="x"), 2)


def test_a_server_that_is_not_there_exits_3(cli: Cli) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        told = _failed(cli("job", "list", LABQ_URL=url), 3)
        assert url in told
        answer = cli("job", "list", "--json", LABQ_URL=url)
        assert "can't reach" in json.loads(answer.stdout)["error"]["message"]


def test_no_known_server_exits_3_and_says_how_to_get_one(cli: Cli) -> None:
    assert "labq up" in _failed(cli("job", "list", LABQ_URL=""), 3)


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>a router</html>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the test's output clean."""


def test_what_is_no_labq_server_exits_3(cli: Cli) -> None:
    with HTTPServer(("127.0.0.1", 0), _Stranger) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert "no labq server" in _failed(cli("job", "list", LABQ_URL=url), 3)
        server.shutdown()


def test_logging_in_keeps_a_token_that_only_the_user_can_read(site: Site, cli: Cli) -> None:
    site.person("carol", password=PASSWORD)
    answer = cli("login", cli.url, "--user", "carol", stdin=f"{PASSWORD}\n", LABQ_URL="")
    assert "as carol" in _good(answer)
    kept = cli.home / "labq" / "login.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    shown = json.loads(_good(cli("user", "show", "--json", LABQ_URL="")))
    assert shown["name"] == "carol"


def test_a_wrong_password_keeps_nothing(site: Site, cli: Cli) -> None:
    site.person("carol", password=PASSWORD)
    answer = cli("login", cli.url, "--user", "carol", stdin="wrong wrong\n", LABQ_URL="")
    assert "wrong name or password" in _failed(answer, 1)
    assert not (cli.home / "labq" / "login.json").exists()


def test_the_running_server_of_this_user_is_found(cli: Cli, ann: Person) -> None:
    state = cli.home / "labq"
    state.mkdir()
    facts = {"url": cli.url, "user": "ann", "token": ann.token, "pid": os.getpid()}
    (state / "server.json").write_text(json.dumps(facts))
    shown = json.loads(_good(cli("user", "show", "--json", LABQ_URL="")))
    assert shown["name"] == "ann"


def test_tokens_are_made_listed_and_revoked(cli: Cli, ann: Person) -> None:
    made = json.loads(_good(cli("token", "create", "ci", "--days", 3, "--json", person=ann)))
    fresh = Person(0, "ann", made["secret"])
    assert "ci" in _good(cli("token", "list", person=fresh))
    _good(cli("token", "revoke", made["id"], person=fresh))
    _failed(cli("token", "list", person=fresh), 1)


def test_a_lost_admin_token_is_made_in_the_database_itself(
    site: Site, cli: Cli, ann: Person
) -> None:
    url = site.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    made = json.loads(_good(cli("token", "create", "--admin", "--json", LABQ_DATABASE_URL=url)))
    boss = Person(0, "admin", made["secret"])
    assert boss.token != ann.token
    assert json.loads(_good(cli("user", "show", "--json", person=boss)))["is_admin"]
    _good(cli("db", "check", LABQ_DATABASE_URL=url))
    _good(cli("db", "upgrade", "--json", LABQ_DATABASE_URL=url))


def test_an_empty_database_is_not_what_is_needed(cli: Cli, empty_database_url: str) -> None:
    answer = cli("db", "check", LABQ_DATABASE_URL=empty_database_url)
    assert "labq db upgrade" in _failed(answer, 1)


def test_without_a_database_the_way_to_one_is_told(cli: Cli) -> None:
    assert "labq up" in _failed(cli("token", "create", "--admin"), 2)


def test_accounts_and_groups_are_kept_by_admins(cli: Cli, admin: Person, ann: Person) -> None:
    _good(cli("user", "create", "dave", "--email", "d@example.org", person=admin))
    assert "dave" in _good(cli("user", "list", person=admin))
    _good(cli("user", "set", "dave", "--admin", person=admin))
    assert json.loads(_good(cli("user", "show", "dave", "--json", person=admin)))["is_admin"]
    _good(cli("user", "passwd", "dave", person=admin, stdin=f"{PASSWORD}\n"))
    _good(cli("group", "create", "kernel", person=admin))
    assert "ann, dave" in _good(cli("group", "add", "kernel", "dave", "ann", person=admin))
    _good(cli("group", "remove", "kernel", "ann", person=admin))
    assert "dave" in _good(cli("group", "show", "kernel", person=admin))
    assert "kernel" in _good(cli("group", "list", person=admin))
    assert "admin" in _failed(cli("user", "create", "eve", person=ann), 1)


def test_a_device_is_added_shown_and_taken_out_of_service(cli: Cli, admin: Person) -> None:
    text = "{% extends 'shell.jinja2' %}\n"
    words = ("device", "add", "sh-9", "-", "--host", "rack", "--tag", "usb", "--health", "good")
    _good(cli(*words, person=admin, stdin=text))
    assert "sh-9" in _good(cli("device", "list", "--tag", "usb", person=admin))
    reason = "power supply on fire"
    changed = cli(
        "device", "set", "sh-9", "--health", "maintenance", "--reason", reason, person=admin
    )
    assert reason in _good(changed)
    assert "maintenance" in _good(cli("device", "list", "--health", "maintenance"))
    rendered = _good(cli("device", "show", "sh-9", "--dictionary", person=admin))
    assert "connect:" in rendered
    assert text.strip() in _good(cli("device", "show", "sh-9", "--template"))
    assert "nothing to change" in _failed(cli("device", "set", "sh-9", person=admin), 2)


def test_a_device_that_does_not_render_is_refused_with_its_line(cli: Cli, admin: Person) -> None:
    text = "{% extends 'shell.jinja2' %}\n{% set x = %}\n"
    told = _failed(cli("device", "add", "sh-9", "-", "--host", "rack", person=admin, stdin=text), 1)
    assert "line 2" in told


def test_device_files_are_checked_without_a_server(cli: Cli, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right.jinja2", tmp_path / "wrong.jinja2"
    right.write_text("{% extends 'qemu.jinja2' %}\n")
    wrong.write_text("{% extends 'no-such-type.jinja2' %}\n")
    answer = cli("device", "check", "--json", right, wrong, LABQ_URL="")
    assert answer.returncode == 1
    first, second = map(json.loads, answer.stdout.splitlines())
    assert first == {"file": str(right), "valid": True, "errors": []}
    assert second["valid"] is False
    assert "no-such-type" in second["errors"][0]["message"]


def test_definitions_are_validated_without_a_server(cli: Cli, good: Path, bad: Path) -> None:
    assert _good(cli("job", "validate", good, LABQ_URL="")) == f"{good}: valid\n"
    answer = cli("job", "validate", "--json", "--level", "submit", good, bad, LABQ_URL="")
    assert answer.returncode == 1
    first, second = map(json.loads, answer.stdout.splitlines())
    assert first == {"file": str(good), "valid": True, "errors": []}
    assert {"path", "line", "message"} == set(second["errors"][0])
    text = good.read_text()
    odd = good.with_name("odd.yaml")
    odd.write_text(text.replace("actions:", "frobnicate: 1\nactions:", 1))
    assert _good(cli("job", "validate", "--level", "lax", odd, LABQ_URL="")) == f"{odd}: valid\n"
    answer = cli("job", "validate", "--level", "strict", odd, LABQ_URL="")
    assert (answer.returncode, "frobnicate (line" in answer.stdout) == (1, True)


def test_hosts_are_listed_and_given_no_work(cli: Cli, admin: Person) -> None:
    assert "rack" in _good(cli("host", "list"))
    changed = cli("host", "set", "rack", "--health", "maintenance", person=admin)
    assert "maintenance" in _good(changed)
    assert "maintenance" in _good(cli("host", "show", "rack"))


def test_results_are_printed_in_every_form(site: Site, cli: Cli, ann: Person) -> None:
    job, _ = site.finished_job(ann, site.device("board-2"))
    assert "second" in _good(cli("job", "show", job, "--results"))
    assert "<testsuites>" in _good(cli("job", "show", job, "--results-as", "junit"))
    assert "job,suite,result" in _good(cli("job", "show", job, "--results-as", "csv"))
    json.loads(_good(cli("job", "show", job, "--results-as", "json")))


JSON_COMMANDS = (
    "job list",
    "job show {job}",
    "job show {job} --results",
    "job wait {job}",
    "job cancel {job}",
    "job resubmit {job}",
    "device list",
    "device show board-1",
    "device show board-1 --dictionary",
    "device set board-1 --health good",
    "device-type list",
    "host list",
    "host show rack",
    "host set rack --health active",
    "token list",
    "token create x",
    "user list",
    "user show",
    "user create f",
    "user set ann --email a@example.org",
    "group list",
    "group create g",
)


def test_json_is_one_value_and_the_only_output(
    site: Site, cli: Cli, ann: Person, admin: Person
) -> None:
    finished, _ = site.finished_job(ann, site.device("board-2"))
    answer = cli("job", "submit", "-", "--json", person=admin, stdin=GOOD_JOB)
    submitted = json.loads(_good(answer))["id"]
    for command in JSON_COMMANDS:
        words = command.format(job=submitted if "resubmit" in command else finished).split()
        answer = cli(*words, "--json", person=admin)
        assert json.loads(_good(answer)) is not None, command
        assert answer.stderr == "", command


def test_doctor_lists_what_it_looked_at(cli: Cli) -> None:
    answer = cli("doctor", "--json")
    names = {finding["name"] for finding in json.loads(answer.stdout)}
    assert {"PostgreSQL", "Redis", "cores", "KVM", "git", "state folder"} <= names
    assert answer.returncode in (0, 1)


def test_a_hostile_name_cannot_drive_the_terminal(site: Site, cli: Cli, ann: Person) -> None:
    site.job(ann, name="a\x1b]0;owned\x07\nb")
    shown = _good(cli("job", "list"))
    assert "\x1b" not in shown
    assert "\x07" not in shown
