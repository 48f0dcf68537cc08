"""A host that cannot work says why in one line, ends with its code, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.lab.server import free_port, program


def run(folder: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run `labq host run` to its end."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LABQ_")}
    return subprocess.run(
        (program(), "host", "run", "here"),
        env={**plain, "LABQ_STATE": str(folder / "state"), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def url() -> str:
    return f"redis://127.0.0.1:{free_port()}/0"


def test_a_machine_that_joined_nowhere_is_told_how_to_join(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert "labq host enroll" in done.stderr
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"LABQ_BOOT_SLOTS": "many"}, "LABQ_BOOT_SLOTS"),
        ({"LABQ_HOST_RESERVE_BYTES": "a lot"}, "LABQ_HOST_RESERVE_BYTES"),
    ],
)
def test_settings_that_cannot_work_are_named(
    tmp_path: Path, settings: dict[str, str], word: str
) -> None:
    done = run(tmp_path, LABQ_REDIS_URL=url(), **settings)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_a_host_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch()
    done = run(tmp_path, LABQ_REDIS_URL=url(), LABQ_HOST_FOLDER=str(place))
    assert done.returncode in (1, 2)
    assert str(place) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of somebody else")
def test_a_host_folder_of_somebody_else_is_named_and_not_changed(tmp_path: Path) -> None:
    place = tmp_path / "theirs"
    place.mkdir()
    os.chown(place, 65534, 65534)
    done = run(tmp_path, LABQ_REDIS_URL=url(), LABQ_HOST_FOLDER=str(place))
    assert done.returncode == 2
    assert "belongs to user 65534, you are 0" in done.stderr
    assert list(place.iterdir()) == []


def test_a_host_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, LABQ_REDIS_URL=url(), LABQ_HOST_FOLDER="/proc/labq")
    assert done.returncode == 1
    assert "/proc/labq" in done.stderr
