"""The texts that belong to a job: its definition, its plan, the device's rendered dictionary."""

from __future__ import annotations

import json
from typing import Any, cast

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.errors import NotFoundError
from labq.domain.masking import Masks
from labq.models.job import Job, JobDefinition
from labq.models.run import RunPlan
from labq.services.job_view import missing
from labq.services.visibility import Viewer, visible_jobs


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
    shown = Masks(plan.pop("masks", ())).hide_all(plan)
    return cast("dict[str, Any]", shown)
