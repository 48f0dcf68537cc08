"""Plans as JSON: compact and the same bytes for the same plan, so that a digest names one.

The server writes them and hosts read them; both keep to the form that `PLAN_FORMAT` numbers.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import TypeAdapter, ValidationError

from labq import __version__
from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.domain.plan import PLAN_FORMAT, Plan

_ADAPTER = TypeAdapter(Plan)


def dump_plan(plan: Plan) -> str:
    """Return the plan's JSON, keys sorted."""
    value = _ADAPTER.dump_python(plan, mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def load_plan(text: str | bytes) -> Plan:
    """Return the plan of `dump_plan`'s text.

    Raises ConfigurationError for a plan of another form (whose fields may be others too),
    InfrastructureError for what is no plan.
    """
    _check_format(text)
    try:
        return _ADAPTER.validate_json(text, strict=True)
    except ValidationError as error:
        raise InfrastructureError(f"not a plan: {error}") from error


def digest(text: str) -> str:
    """Return what names a plan's JSON: SHA-256 in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _check_format(text: str | bytes) -> None:
    try:
        found = json.loads(text)["format"]
    except (ValueError, LookupError, TypeError) as error:
        raise InfrastructureError(f"not a plan: {error!r}") from error
    if found != PLAN_FORMAT:
        raise ConfigurationError(
            f"the plan has form {found}, labq {__version__} on this host reads form {PLAN_FORMAT}: "
            "bring host and server to versions that fit together"
        )
