"""The service units are what systemd takes without a complaint, as root and as an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from labq.supervisor.programs import cache_folder
from tests.lab.server import program

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
NAMES = sorted(path.name for path in UNITS.glob("*.service"))
PROGRAM = "/opt/labq/bin/labq"


def analyze() -> str:
    """Return systemd-analyze: the machine's own, or what deploy/system-programs unpacked."""
    own = cache_folder() / "system" / "bin" / "systemd-analyze"
    found = shutil.which("systemd-analyze") or (str(own) if own.exists() else None)
    assert found, "no systemd-analyze: run `deploy/system-programs systemd`"
    return found


def environment(folder: Path) -> Mapping[str, str]:
    """Return where units are looked for: the copies, then those of systemd itself."""
    places = ("/usr/lib/systemd/system", "/lib/systemd/system")
    cached = cache_folder() / "system" / "root"
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    return {
        **os.environ,
        "SYSTEMD_UNIT_PATH": ":".join(
            [str(folder), *places, *(f"{cached}{one}" for one in places)]
        ),
        "XDG_RUNTIME_DIR": str(runtime),
    }


def verify(folder: Path, name: str, text: str) -> subprocess.CompletedProcess[str]:
    """Let systemd look at a unit whose program is this checkout's."""
    assert PROGRAM in text
    instance = name.replace("@.", "@lab-1.")
    (folder / name).write_text(text.replace(PROGRAM, program()))
    return subprocess.run(
        (analyze(), "verify", "--man=no", "--recursive-errors=no", instance),
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_is_a_unit_for_each_part() -> None:
    assert NAMES == [
        "labq-conductor@.service",
        "labq-core@.service",
        "labq-host@.service",
        "labq-stream@.service",
        "labq-web@.service",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_systemd_takes_the_unit_without_a_complaint(tmp_path: Path, name: str) -> None:
    done = verify(tmp_path, name, (UNITS / name).read_text())
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_a_unit_with_a_fault_is_complained_about(tmp_path: Path) -> None:
    text = (UNITS / "labq-host@.service").read_text()
    wrong = text.replace("KillMode=mixed", "KillMode=gently").replace("Type=exec", "Type=some")
    done = verify(tmp_path, "labq-host@.service", wrong)
    assert "service:8: Failed to parse service type" in done.stderr
    assert "gently" in done.stderr


def test_restarting_workers_by_reload_touches_no_emulator() -> None:
    text = (UNITS / "labq-host@.service").read_text()
    assert "ExecReload=/opt/labq/bin/labq host restart workers %i\n" in text
    assert "KillMode=mixed\n" in text
    for taken in ("PrivateDevices=", "DeviceAllow=", "DevicePolicy=", "ProtectClock="):
        assert f"\n{taken}" not in text


def test_the_commands_of_the_units_exist() -> None:
    for name in NAMES:
        lines = (UNITS / name).read_text().splitlines()
        commands = [line.partition("=")[2] for line in lines if line.startswith("Exec")]
        for command in commands:
            words = [word for word in command.split()[1:] if not word.startswith("%")]
            done = subprocess.run(
                (program(), *words, "--help"), capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (command, done.stderr)
