"""Runs the arms of a sweep: fixes the host's boot slots, submits jobs, looks at what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from labq.cli.api import Api, Row
from labq.cli.failures import Failed
from labq.cli.sweep.arms import Arm, Measured, median
from labq.domain.deadline import Deadline

PAUSE_SECONDS = 0.5
TAKE_UP_SECONDS = 60.0
FINISHED = "finished"
PAGE = 100

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One host, one job that is run over and over, so many times in each arm."""

    api: Api
    host: str
    definition: str
    jobs: int
    seconds: float
    say: Say

    def run(self, arms: Sequence[Arm]) -> Iterator[Measured]:
        """Measure one arm after the other; what was asked of the host before is asked again."""
        before = self.api.get(f"/hosts/{self.host}")["config"].get("limits", {}).get("boot", 0)
        try:
            for arm in arms:
                self._ask(arm.boots or 0)
                yield self._measure(arm)
        finally:
            self.api.patch(f"/hosts/{self.host}", {"limits": {"boot": before}})

    def _ask(self, boots: int) -> None:
        """Fix the boot slots (0: let them adapt), and wait until the host has taken that up."""
        asked = self.api.patch(f"/hosts/{self.host}", {"limits": {"boot": boots}})
        deadline = Deadline.after(TAKE_UP_SECONDS)
        while True:
            shown = self.api.get(f"/hosts/{self.host}")
            slot = shown["slots"].get("boot", {})
            if "LABQ_BOOT_SLOTS" in slot.get("reason", ""):
                raise Failed(f"host {self.host} has {slot['reason']}: start it without that")
            if shown["config_seen"] == asked["config_revision"]:
                return
            if deadline.is_over():
                raise Failed(f"host {self.host} has not taken up {boots} boot slots: {slot}")
            time.sleep(PAUSE_SECONDS)

    def _measure(self, arm: Arm) -> Measured:
        deadline = Deadline.after(self.seconds)
        submitted: list[int] = []
        open_jobs: set[int] = set()
        while len(submitted) < self.jobs or open_jobs:
            for _ in range(min(arm.tests - len(open_jobs), self.jobs - len(submitted))):
                made = self.api.post("/jobs", {"definition": self.definition})
                submitted.append(int(made["id"]))
                open_jobs.add(submitted[-1])
            time.sleep(PAUSE_SECONDS)
            open_jobs -= self._finished(open_jobs)
            self.say(f"{arm.name} boots: {len(submitted) - len(open_jobs)} of {self.jobs} jobs")
            if deadline.is_over():
                raise Failed(f"{len(open_jobs)} jobs did not end within {self.seconds:g} s")
        return _sum_up(arm, [self.api.get(f"/jobs/{job}") for job in submitted])

    def _finished(self, jobs: set[int]) -> set[int]:
        """Return which of these have ended: from the list, so that asking costs the host little."""
        found: set[int] = set()
        for row in self.api.pages("/jobs", host=self.host, limit=PAGE):
            if row["id"] in jobs and row["state"] == FINISHED:
                found.add(row["id"])
            if row["id"] < min(jobs):
                break
        return found


def _sum_up(arm: Arm, jobs: Sequence[Row]) -> Measured:
    begin = min(_moment(job["submitted_at"]) for job in jobs)
    end = max(_moment(job["ended_at"]) for job in jobs)
    good = [job for job in jobs if job["outcome"] == "complete"]
    return Measured(
        boots=arm.boots,
        tests=arm.tests,
        jobs=len(jobs),
        failed=len(jobs) - len(good),
        suspect=sum(any(step["suspect"] for step in _steps(job)) for job in jobs),
        seconds=round((end - begin).total_seconds(), 1),
        boot_seconds=_median(good, "boot"),
        test_seconds=_median(good, "test"),
    )


def _median(jobs: Sequence[Row], kind: str) -> float | None:
    return median(
        [
            step["duration_seconds"]
            for job in jobs
            for step in _steps(job)
            if step["kind"] == kind and step["duration_seconds"] is not None
        ]
    )


def _steps(job: Row) -> list[dict[str, Any]]:
    return [step for run in job["runs"] for step in run["steps"]]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
