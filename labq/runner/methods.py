"""Which method does a step's work, and with which parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from labq.actions import boot, collect, command, deploy, test
from labq.actions.method import Method, Run
from labq.actions.model_errors import findings
from labq.domain.errors import JobError, Problem
from labq.domain.plan import Plan, PlanStep, StepKind

_BY_KIND: tuple[tuple[StepKind, tuple[Method, ...]], ...] = (
    (StepKind.DOWNLOAD, deploy.METHODS),
    (StepKind.DEPLOY, (*deploy.METHODS, *command.METHODS)),
    (StepKind.BOOT, boot.METHODS),
    (StepKind.TEST, test.METHODS),
    (StepKind.COLLECT, collect.METHODS),
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A step's work, ready to run."""

    run: Run
    parameters: BaseModel


def prepare(step: PlanStep) -> Prepared:
    """Return the step's work; raises JobError naming an unknown method or what is wrong."""
    method = _method(step)
    run = method.download if step.kind is StepKind.DOWNLOAD else method.run
    if run is None:
        raise JobError(f"method {method.name!r} has nothing to do in a step {step.kind}")
    try:
        return Prepared(run, method.parameters.model_validate(dict(step.parameters)))
    except ValidationError as error:
        raise JobError(f"Invalid job data: {_texts(_problems(step, error))}") from error


def check(plan: Plan) -> None:
    """Raise JobError with everything that is wrong with any step of the plan."""
    problems = [problem for step in plan.steps for problem in _check_step(step)]
    if problems:
        raise JobError(f"Invalid job data: {_texts(problems)}")


def _check_step(step: PlanStep) -> Iterable[Problem]:
    try:
        method = _method(step)
        parameters = method.parameters.model_validate(dict(step.parameters))
    except JobError as error:
        return [Problem(path=_where(step), message=str(error))]
    except ValidationError as error:
        return _problems(step, error)
    if step.kind is StepKind.DOWNLOAD:
        return []
    return [
        Problem(path=f"{_where(step)}.{problem.path}", message=problem.message)
        for problem in method.check(parameters, step.device)
    ]


def _method(step: PlanStep) -> Method:
    methods = dict(_BY_KIND)[step.kind]
    for method in methods:
        if method.name == step.method:
            return method
    known = ", ".join(method.name for method in methods)
    kind = "deploy" if step.kind is StepKind.DOWNLOAD else step.kind.value
    raise JobError(f"{kind} method {step.method!r} is not supported; supported: {known}")


def _problems(step: PlanStep, error: ValidationError) -> list[Problem]:
    return [
        Problem(path=".".join([_where(step), *map(str, path)]), message=message)
        for path, message in findings(error)
    ]


def _where(step: PlanStep) -> str:
    return f"actions[{max(0, step.action - 1)}]"


def _texts(problems: Iterable[Problem]) -> list[str]:
    return [problem.describe() for problem in problems]
