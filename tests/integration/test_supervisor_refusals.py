"""What `labq up` says, on one line, when it cannot start here."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg2
import pytest

from labq.domain.errors import InfrastructureError
from labq.supervisor.state import VERSION, check_space, opened

Up = Callable[..., subprocess.CompletedProcess[str]]
OVERRIDES = ("dac_override", "dac_read_search")


@pytest.fixture
def up(tmp_path: Path) -> Up:
    """Return a function that runs `labq up` with the state folder `state` of the test."""

    def run(
        *words: str, without: Sequence[str] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        plain = {key: value for key, value in os.environ.items() if not key.startswith("LABQ_")}
        command = [Path(sys.executable).with_name("labq"), "up", "--state", tmp_path / "state"]
        return subprocess.run(
            [*_dropped(without), *command, *words],
            env={**plain, "LABQ_STREAM_PORT": "0", **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def _dropped(capabilities: Sequence[str]) -> list[str]:
    """Return the words that take capabilities from root; other users have none."""
    if not capabilities or os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set", ",".join(f"-{name}" for name in capabilities)]


def _refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_taken_port_is_named_with_the_option_to_change_it(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = _refused(up("--port", str(port)), 1)
    assert line == (
        f"labq: port {port} of 127.0.0.1 cannot be used: Address already in use: "
        "choose another one with --port"
    )


def test_a_state_folder_of_another_form_is_left_alone(up: Up, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    found = {"version": VERSION + 1, "uid": os.geteuid()}
    (tmp_path / "state" / "state.json").write_text(json.dumps(found))
    line = _refused(up("--port", "0"), 2)
    assert f"has form {VERSION + 1}, this labq knows {VERSION}" in line
    assert json.loads((tmp_path / "state" / "state.json").read_text()) == found


def test_a_folder_with_other_files_is_never_taken_for_state(up: Up, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "thesis.tex").touch()
    assert "is not empty and no state folder of labq" in _refused(up("--port", "0"), 2)


def test_a_state_folder_of_another_user_is_refused(up: Up, tmp_path: Path) -> None:
    theirs, owner = Path("/"), 0
    if os.geteuid() == 0:
        theirs, owner = tmp_path / "theirs", 12345
        theirs.mkdir()
        os.chown(theirs, owner, owner)
    line = _refused(up("--port", "0", "--state", str(theirs)), 2)
    assert f"{theirs} belongs to user {owner}, you are {os.geteuid()}" in line


def test_a_state_folder_that_cannot_be_written_is_refused(up: Up, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o500)
    line = _refused(up("--port", "0", without=OVERRIDES), 1)
    assert "Permission denied: choose another state folder" in line


def test_a_state_folder_in_use_names_the_process_that_has_it(up: Up, tmp_path: Path) -> None:
    with opened(tmp_path / "state"):
        line = _refused(up("--port", "0"), 1)
    assert f"(process {os.getpid()})" in line


def test_a_missing_program_is_named_with_how_to_get_it(up: Up, tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    elsewhere = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    line = _refused(up("--port", "0", "--devices", "uml=1", **elsewhere), 1)
    assert line == (
        "labq: linux.uml not found, uml devices need it: "
        "run `deploy/system-programs uml`, or install it"
    )


@pytest.mark.parametrize("devices", ["cow=1", "uml", "uml=-1", "shell=9999"])
def test_devices_that_make_no_sense_are_refused(up: Up, devices: str) -> None:
    line = _refused(up("--port", "0", "--devices", devices), 2)
    assert f"--devices: '{devices}' is not KIND=NUMBER" in line


def test_a_full_disk_is_named_with_what_is_needed() -> None:
    """The kernel's own file systems have no space at all."""
    needed = "/proc has 0 MiB left, labq needs 500 MiB: free some"
    with pytest.raises(InfrastructureError, match=needed):
        check_space(Path("/proc"))


def _failed_start(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of a start that came to nothing; nothing of it is left running."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_a_database_that_does_not_answer_is_named(up: Up, tmp_path: Path) -> None:
    elsewhere = f"postgresql://labq@/labq?host={tmp_path}"
    line = _failed_start(up("--port", "0", LABQ_DATABASE_URL=elsewhere))
    assert line.startswith("labq: the database cannot be prepared: connection to server on socket")


def test_a_database_of_a_newer_labq_is_left_alone(up: Up, database_url: str) -> None:
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE alembic_version SET version_num = 'from the future'")
    connection.close()
    line = _failed_start(up("--port", "0", LABQ_DATABASE_URL=database_url))
    assert "its schema is of another labq" in line
    assert "from the future" in line
