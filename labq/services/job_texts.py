"""The texts that belong to a job: its definition, its plan, the device's rendered dictionary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.models.job import Job, JobDefinition
from labq.models.run import RunPlan
from labq.services.job_view import missing
from labq.services.visibility import Viewer, visible_jobs

MASKED = "[MASKED]"


def find_definition(session: Session, viewer: Viewer, job_id: int) -> str:
    """Return the definition as submitted; raises NotFoundError."""
    text = session.scalar(
        select(JobDefinition.definition)
        .join(Job, Job.id == JobDefinition.job_id)
        .where(Job.id == job_id, visible_jobs(viewer))
    )
    if text is None:
        raise missing(job_id)
    return text


def find_plan(session: Session, viewer: Viewer, job_id: int) -> str:
    """Return the JSON of the latest run's plan without its secrets; raises NotFoundError."""
    return json.dumps(_plan(session, viewer, job_id), ensure_ascii=False, indent=2)


def find_dictionary(session: Session, viewer: Viewer, job_id: int) -> str:
    """Return the device dictionary that the latest run was planned with, as YAML."""
    dictionary = _plan(session, viewer, job_id)["dictionary"]
    return yaml.dump(dictionary, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False)


def _plan(session: Session, viewer: Viewer, job_id: int) -> dict[str, Any]:
    row = session.execute(
        select(RunPlan.plan)
        .select_from(Job)
        .outerjoin(RunPlan, RunPlan.run_id == Job.run_id)
        .where(Job.id == job_id, visible_jobs(viewer))
    ).one_or_none()
    if row is None:
        raise missing(job_id)
    if row.plan is None:
        raise NotFoundError(f"job {job_id} has no plan yet: it has not been given a device")
    plan: dict[str, Any] = json.loads(row.plan)
    plan.pop("upload", None)
    secrets = [text for text in plan.pop("masks", ()) if text]
    shown: dict[str, Any] = _masked(plan, sorted(secrets, key=len, reverse=True))
    return shown


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    """Return the JSON value with each secret in its texts replaced, the longest first."""
    if isinstance(value, dict):
        return {key: _masked(item, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item, secrets) for item in value]
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASKED)
    return value
