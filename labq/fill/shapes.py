"""Definitions and plans of jobs, as stencils: parsed and planned by labq itself, once for each kind."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from labq.domain.plan import Plan, PlanStep
from labq.fill.recipes import HEALTH_CHECK, RECIPES, case_names
from labq.fill.stencil import Stencil
from labq.jobdef.device import read_device, render_device
from labq.jobdef.parse import parse_job
from labq.jobdef.plan import build_plan
from labq.jobdef.spec import JobSpec
from labq.jobdef.templates import Library
from labq.plans import dump_plan

TEXTS = Path(__file__).parent / "texts"
SHOWN_CASES = 12
# Numbers that stand for the run and the job of a plan until they are known.
_RUN, _JOB = 987_654_321_001, 987_654_321_002
_NAMES = ("job_name", "kind", "host", "device", "port", "outlet", "tree", "branch", "build", "plan")
_SAMPLES = {
    # What these marks stand for must be of a certain form to be parsed.
    "visibility": "public",
    "priority": "50",
    "tags": "[]",
    "wanted": "",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What all jobs of a recipe on boards of a family have in common.

    `metadata` is the definition's as JSON; `channel` the console that its tests speak to.
    """

    definition: Stencil
    metadata: Stencil
    plan: Stencil
    steps: tuple[PlanStep, ...]
    channel: str


@lru_cache(maxsize=64)
def shape(recipe: int, family: str, arch: str) -> Shape:
    """Return the shape of a recipe's jobs on boards of this family and architecture."""
    text = _definition(recipe, family)
    spec = parse_job(_sample(text, arch))
    plan = _plan(spec, family, arch)
    return Shape(
        definition=Stencil(text),
        metadata=Stencil(json.dumps(dict(spec.metadata)).replace(f'"{arch}"', '"__arch__"')),
        plan=_plan_stencil(plan),
        steps=plan.steps,
        channel=next(console.channel for console in plan.consoles if console.primary),
    )


@lru_cache(maxsize=8)
def board_file(family: str) -> Stencil:
    """Return the device file of a board of this family."""
    return Stencil((TEXTS / f"{family}.jinja2").read_text())


def _definition(recipe: int, family: str) -> str:
    found = RECIPES[recipe]
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701 - no HTML
    template = environment.from_string((TEXTS / "job.yaml.jinja2").read_text())
    suites = [
        {
            "name": suite.name,
            "repository": suite.repository,
            "first_cases": case_names(suite.cases)[:SHOWN_CASES],
        }
        for suite in found.suites
    ]
    return template.render(
        recipe={"suites": suites, "is_check": recipe == HEALTH_CHECK},
        family=family,
        minutes=int(found.minutes),
    )


def _sample(text: str, arch: str) -> str:
    for mark, sample in (*_SAMPLES.items(), ("arch", arch)):
        text = text.replace(f"__{mark}__", sample)
    return text


def _plan(spec: JobSpec, family: str, arch: str) -> Plan:
    """Return the plan of a job whose values are still marks."""
    dictionary = render_device(
        board_file(family).fill({name: f"__{name}__" for name in _NAMES} | {"arch": arch}),
        name="__device__",
        device_type="__kind__",
        context=spec.context,
        library=Library(),
    )
    device = read_device(dictionary, name="__device__", device_type="__kind__")
    plan = build_plan(spec, device, run=_RUN, job=_JOB, host="__host__", host_address="__address__")
    return replace(plan, priority=_RUN + 10)


def _plan_stencil(plan: Plan) -> Stencil:
    text = dump_plan(plan)
    for number, mark in ((_RUN + 10, "priority"), (_RUN, "run"), (_JOB, "job")):
        text = text.replace(str(number), f"__{mark}__")
    return Stencil(text)
