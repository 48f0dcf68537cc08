"""`labq doctor` says what is lacking and how to mend it, and tells by its exit code what is needed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.lab.server import free_port, program


def doctor(folder: Path, *words: str, **settings: str) -> tuple[int, dict[str, Any]]:
    """Run it for a user that has nothing, and return its exit code and findings by name."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("LABQ_")}
    homes = {"XDG_CONFIG_HOME": str(folder / "c"), "LABQ_STATE": str(folder / "s")}
    done = subprocess.run(
        (program(), "doctor", "--json", *words),
        env={**plain, **homes, **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, {one["name"]: one for one in json.loads(done.stdout)}


def test_a_machine_that_can_be_a_server_and_a_host_is_told_so(tmp_path: Path) -> None:
    code, found = doctor(tmp_path)
    assert code == 0, found
    names = {"PostgreSQL", "Redis", "Redis with TLS", "cores", "shared memory", "locale", "KVM"}
    assert names <= set(found)
    assert "Redis of the server" not in found


def test_a_redis_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    code, found = doctor(tmp_path, LABQ_REDIS_URL=url)
    assert code == 1
    assert found["Redis of the server"]["state"] == "missing"
    assert "refused" in found["Redis of the server"]["found"]
    assert found["Redis of the server"]["advice"]


def test_a_redis_without_rules_for_hosts_is_found_unwise(tmp_path: Path, redis_url: str) -> None:
    code, found = doctor(tmp_path, LABQ_REDIS_URL=redis_url)
    assert code == 0
    assert found["Redis of the server"]["state"] == "weak"
    assert "not its own" in found["Redis of the server"]["found"]


def test_kvm_is_tried_by_starting_a_machine(tmp_path: Path) -> None:
    _, found = doctor(tmp_path, "--try-kvm")
    assert found["KVM boot"]["found"]
