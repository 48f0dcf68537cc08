"""Each contract of import-linter is seen to catch a violation, in a copy of the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
]
# For each contract a module that breaks it: (its file below labq/, what it imports).
VIOLATIONS = {
    "layers: imports point down": ("domain/wrong.py", "labq.config"),
    "server never touches hardware": ("services/wrong_hardware.py", "serial"),
    "hosts never touch the database or the web": ("bench/wrong.py", "sqlalchemy"),
    "domain is pure": ("domain/wrong_yaml.py", "yaml"),
    "celery lives in labq.queue and labq.tasks": ("services/wrong_celery.py", "celery"),
    "the host side reports events, never states": ("runner/wrong.py", "labq.domain.states"),
    "methods do not know each other": ("actions/boot/wrong.py", "labq.actions.test.interactive"),
    "drivers do not know each other": ("drivers/power/wrong.py", "labq.drivers.console"),
    "endpoints and pages do not know each other": ("web/api/wrong.py", "labq.web.pages.jobs"),
    "no cycles between siblings": ("log.py", "labq.statsd"),
}


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what import-linter says of a copy with all violations."""
    copy = tmp_path_factory.mktemp("layers")
    shutil.copytree(ROOT / "labq", copy / "labq", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for file, imported in VIOLATIONS.values():
        path = copy / "labq" / file
        path.write_text(f"{path.read_text() if path.exists() else ''}\nimport {imported}\n")
    statsd = copy / "labq/statsd.py"
    statsd.write_text(f"{statsd.read_text()}\nimport labq.log\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_every_contract_has_a_violation_here() -> None:
    assert sorted(VIOLATIONS) == sorted(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_contract_catches_its_violation(verdict: str, contract: str) -> None:
    assert f"{contract} BROKEN" in verdict, verdict
    assert _trace(contract) in _section(verdict, contract)


def _trace(contract: str) -> str:
    """Return by which words import-linter names the violation."""
    file, imported = VIOLATIONS[contract]
    if contract == "no cycles between siblings":
        return ".statsd -> .log"
    return f"labq.{file.removesuffix('.py').replace('/', '.')} -> {imported}"


def _section(verdict: str, contract: str) -> str:
    """Return what is said of one broken contract."""
    details = verdict.partition("Broken contracts")[2]
    begin = details.index(f"\n{contract}\n---")
    ends = [details.find(f"\n{other}\n---", begin + 1) for other in CONTRACTS]
    return details[begin : min((end for end in ends if end > 0), default=len(details))]
