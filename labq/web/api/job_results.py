"""Results of a job in the forms that people and programs want."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from flask import Response, request
from pydantic import Field

from labq.services import export, job_view
from labq.services.export import ExportedCase
from labq.web.endpoint import JSON, YAML, Call, Endpoint
from labq.web.parsing import Input, Text


class Form(StrEnum):
    """The forms of results."""

    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    JUNIT = "junit"


_MEDIA: Mapping[Form, str] = {
    Form.JSON: JSON,
    Form.YAML: YAML,
    Form.CSV: "text/csv",
    Form.JUNIT: "application/xml",
}
_WRITERS: Mapping[Form, Callable[[Sequence[ExportedCase]], str]] = {
    Form.JSON: export.as_json,
    Form.YAML: export.as_yaml,
    Form.CSV: export.as_csv,
    Form.JUNIT: export.as_junit,
}


class ResultsQuery(Input):
    """Which results, and how."""

    format: Form | None = Field(default=None, description="else the Accept header decides")
    suite: Text | None = Field(default=None, description="only this suite")


def show(call: Call, job: int, query: ResultsQuery) -> Response:
    """Return the results of the latest run."""
    job_view.require(call.session, call.viewer, job)
    form = query.format or _accepted()
    cases = export.find_cases(call.session, job, query.suite)
    kind = _MEDIA[form]
    charset = "" if kind == JSON else "; charset=utf-8"
    return Response(_WRITERS[form](cases), content_type=kind + charset)


def _accepted() -> Form:
    best = request.accept_mimetypes.best_match(_MEDIA.values(), default=JSON)
    return next(form for form, kind in _MEDIA.items() if kind == best)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/jobs/<id:job>/results",
        summary="Return the results of the latest run",
        run=show,
        query=ResultsQuery,
        media=tuple(_MEDIA.values()),
    ),
)
