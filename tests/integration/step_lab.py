"""Whole runs without a server: the plan of a definition, its steps run one by one by the runner."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labq.domain.events import ResultReported, StepEnded
from labq.domain.plan import Plan
from labq.jobdef.device import read_device, render_device
from labq.jobdef.parse import parse_job
from labq.jobdef.plan import build_plan
from labq.jobdef.templates import Library
from labq.runner.step import Outcome, run_step
from tests.integration.bench_lab import HOST, Lab, a_lab, until
from tests.unit.jobs import text

PROMPT = "labq-shell:"
MINIMAL = {"boot": {"method": "minimal", "prompts": [PROMPT]}}


@dataclass(slots=True)
class Runs:
    """Runs on one host; each has the next number."""

    lab: Lab
    last: int = 0
    plans: dict[int, Plan] = field(default_factory=dict)

    def plan(self, actions: list[Mapping[str, object]], **job: object) -> Plan:
        """Return the plan of a job with these actions on a fresh shell device."""
        self.last += 1
        template = str(job.pop("device_type", "shell"))
        variables = str(job.pop("variables", ""))
        name = f"{template}-{self.last}"
        dictionary = render_device(
            f"{{% extends '{template}.jinja2' %}}\n{variables}\n",
            name=name,
            device_type=template,
            context={},
            library=Library(),
        )
        device = read_device(dictionary, name=name, device_type=template)
        spec = parse_job(text(device_type=template, actions=actions, **job))
        made = build_plan(
            spec, device, run=self.last, job=self.last, host=HOST, host_address="127.0.0.1"
        )
        self.plans[self.last] = made
        return made

    def run(self, actions: list[Mapping[str, object]], **job: object) -> Ended:
        """Run all steps as the chain would: after a failure only `collect`."""
        made = self.plan(actions, **job)
        self.lab.announce(made)
        outcomes = []
        for step in made.steps:
            failed = Outcome.FAILED in outcomes
            if failed and step.index != made.collect:
                continue
            outcomes.append(self.step(made.run, step.index))
        until(lambda: any(one.next is None for one in self.lab.of_kind(made.run, "ended")))
        return Ended(self.lab, made.run, outcomes)

    def spawn_step(self, run: int, step: int) -> subprocess.Popen[bytes]:
        """Start one step in a process of its own."""
        code = (
            "from pathlib import Path; from labq.runner.step import run_step; "
            f"run_step({run}, 1, {step}, socket=Path({str(self.lab.socket)!r}))"
        )
        return subprocess.Popen([sys.executable, "-c", code], env=self.lab.environment)

    def step(self, run: int, step: int) -> Outcome:
        """Run one step, and release it as the task does."""
        outcome = run_step(run, 1, step, socket=self.lab.socket)
        if outcome.session is not None:
            outcome.session.release()
        return outcome.outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """What the server would have of a run."""

    lab: Lab
    run: int
    outcomes: list[Outcome]

    @property
    def results(self) -> list[ResultReported]:
        """Return the results in order."""
        found: list[ResultReported] = self.lab.of_kind(self.run, "result")
        return found

    @property
    def verdicts(self) -> dict[str, str]:
        """Return `suite/case: verdict`."""
        return {f"{one.suite}/{one.case}": one.verdict.value for one in self.results}

    @property
    def failure(self) -> str:
        """Return type and message of the first failure, empty without one."""
        ends: list[StepEnded] = self.lab.of_kind(self.run, "ended")
        found = [end.failure for end in ends if end.failure]
        return f"{found[0].type}: {found[0].message}" if found else ""

    def log(self, level: str) -> list[Any]:
        """Return the messages of one level."""
        return self.lab.messages(self.run, level)


@contextmanager
def runs_on(
    folder: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> Iterator[Runs]:
    """Run a host whose steps run in this process with the same settings."""
    with a_lab(folder, redis_url, **settings) as lab:
        for name in lab.environment:
            if name.startswith("LABQ_"):
                monkeypatch.setenv(name, lab.environment[name])
        yield Runs(lab)
