"""Words that names are made of: boards, people, teams, trees, tests."""

from __future__ import annotations

from pathlib import Path

import yaml

_WORDS = yaml.safe_load((Path(__file__).parent / "texts" / "words.yaml").read_text())

BOARDS: tuple[tuple[str, str, str], ...] = tuple(
    (name, group["family"], group["arch"])
    for group in _WORDS["boards"]
    for name in group["names"].split()
)
"""Device types: name, family (how a board boots), architecture."""

FIRST: list[str] = _WORDS["first"].split()
LAST: list[str] = _WORDS["last"].split()
BOTS: list[str] = _WORDS["bots"].split()
TEAMS: list[str] = _WORDS["teams"].split()
SITES: list[str] = _WORDS["sites"].split()
TAGS: list[str] = _WORDS["tags"].split()
COMPILERS: list[str] = _WORDS["compilers"].split()
CONFIGS: list[str] = _WORDS["configs"].split()
SYSCALLS: list[str] = _WORDS["syscalls"].split()
SELFTESTS: list[str] = _WORDS["selftests"].split()
BASELINE: list[str] = _WORDS["baseline"].split()
SMOKE: list[str] = _WORDS["smoke"].split()
TREES: tuple[tuple[str, str, str], ...] = tuple(map(tuple, _WORDS["trees"]))
"""Trees: short name, branch, repository."""
BENCHES: tuple[tuple[str, str], ...] = tuple(map(tuple, _WORDS["benches"]))
"""What benchmarks measure, and in which unit."""
