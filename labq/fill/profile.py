"""Profiles: how large a filled database is and what it is like, read from a file or by name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from labq.domain.errors import InvalidInputError, NotFoundError, Problem

SHIPPED = Path(__file__).parent / "profiles"
SUITES_OF_A_JOB = 4
"""The most suites that a job has, each with a case or more."""
MOST_CASES_OF_A_JOB = 1000
"""On average: single jobs have many times as many, and a run may report 100,000."""


class Profile(BaseModel):
    """How many of everything. Shares are from 0 to 1.

    `days`: how long the lab has been at work. `zipf`: how much the most wanted device types, devices
    and users stand out (0: not at all). `audiences`: different sets of groups that jobs are shown
    to. `memberships`: groups of the ordinary user who can log in. `waiting`, `running`: jobs at the
    end of the story. `logs`: jobs whose log has its bytes, the newest ones; of all others only
    length and lines are known. `plan_days`, `audit_days`: how long back the plans of runs and the
    audit trail of jobs go.
    `device_failures`, `host_failures`: episodes of each device and host in a year.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    jobs: int = Field(ge=1, le=20_000_000)
    cases: int = Field(ge=1, le=2_000_000_000)
    days: int = Field(ge=1, le=3650)
    device_types: int = Field(ge=1, le=2_000)
    devices: int = Field(ge=1, le=100_000)
    hosts: int = Field(ge=1, le=10_000)
    users: int = Field(ge=4, le=100_000)
    groups: int = Field(ge=1, le=10_000)
    audiences: int = Field(default=300, ge=1, le=100_000)
    memberships: int = Field(default=12, ge=0)
    restricted_share: float = Field(default=0.3, ge=0, le=1)
    health_check_share: float = Field(default=0.04, ge=0, le=0.5)
    retry_share: float = Field(default=0.1, ge=0, le=1)
    zipf: float = Field(default=1.0, ge=0, le=3)
    waiting: int = Field(default=0, ge=0)
    running: int = Field(default=0, ge=0)
    device_failures: float = Field(default=6.0, ge=0, le=1000)
    host_failures: float = Field(default=8.0, ge=0, le=1000)
    logs: int = Field(default=0, ge=0, le=1_000_000)
    longest_log_lines: int = Field(default=10_000, ge=100, le=1_000_000)
    plan_days: int = Field(default=60, ge=1)
    audit_days: int = Field(default=14, ge=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Profile:
        for field, is_wrong, message in self._relations():
            if is_wrong:
                raise PydanticCustomError("relation", f"{field}: {message}")
        return self

    def _relations(self) -> tuple[tuple[str, bool, str], ...]:
        fewest = self.jobs * SUITES_OF_A_JOB
        return (
            ("devices", self.devices < self.device_types, "fewer than device_types"),
            ("devices", self.devices < self.hosts, "fewer than hosts: each host has a device"),
            ("memberships", self.memberships > self.groups, "more than there are groups"),
            ("running", self.running > self.devices, "more than there are devices"),
            (
                "waiting",
                2 * (self.waiting + self.running) > self.jobs,
                "waiting and running together are more than half of the jobs",
            ),
            (
                "cases",
                self.cases < fewest,
                f"must be at least {fewest}: a job has up to {SUITES_OF_A_JOB} suites of a case or more",
            ),
            (
                "cases",
                self.cases > self.jobs * MOST_CASES_OF_A_JOB,
                f"must be at most {MOST_CASES_OF_A_JOB} for each job",
            ),
        )


def names() -> tuple[str, ...]:
    """Return the names of the profiles that come with labq."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def read(name_or_file: str, changes: Mapping[str, int] | None = None) -> Profile:
    """Return a profile that comes with labq, or that of a YAML or TOML file, with some changes.

    Raises NotFoundError for what is neither, InvalidInputError with all problems by path.
    """
    found = _parsed(_path(name_or_file))
    try:
        return Profile.model_validate({**found, **(changes or {})})
    except ValidationError as error:
        raise InvalidInputError([_problem(item) for item in error.errors()]) from error


def _path(name_or_file: str) -> Path:
    if name_or_file in names():
        return SHIPPED / f"{name_or_file}.yaml"
    path = Path(name_or_file)
    if not path.is_file():
        known = ", ".join(names())
        raise NotFoundError(f"there is no profile and no file {name_or_file!r} (profiles: {known})")
    return path


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text()
        value = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidInputError([Problem(str(path), f"cannot be read: {error}")]) from error
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InvalidInputError([Problem(str(path), "must be a mapping of names to values")])
    return value


def _problem(item: Mapping[str, Any]) -> Problem:
    """Return one problem; the path of one between fields stands in its message."""
    path = ".".join(str(part) for part in item["loc"])
    message = item["msg"]
    if not path:
        path, _, message = message.partition(": ")
    if item["type"] == "extra_forbidden":
        message = f"no such field (there are: {', '.join(Profile.model_fields)})"
    return Problem(path, message)
