"""Plans as JSON: compact and the same bytes for the same plan, so that a digest names one."""

from __future__ import annotations

import hashlib
import json

from pydantic import TypeAdapter, ValidationError

from labq.domain.errors import BugError
from labq.domain.plan import PLAN_FORMAT, Plan

_ADAPTER = TypeAdapter(Plan)


def dump_plan(plan: Plan) -> str:
    """Return the plan's JSON, keys sorted."""
    value = _ADAPTER.dump_python(plan, mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load_plan(text: str) -> Plan:
    """Return the plan of `dump_plan`'s text; raises BugError for anything else."""
    try:
        plan = _ADAPTER.validate_json(text, strict=True)
    except ValidationError as error:
        raise BugError(f"unreadable plan: {error}") from error
    if plan.format != PLAN_FORMAT:
        raise BugError(f"plan of format {plan.format}, this labq reads {PLAN_FORMAT}")
    return plan


def digest(text: str) -> str:
    """Return what names a plan's JSON: SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()
