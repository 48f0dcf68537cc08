"""Results of a job in the forms that people and programs want."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

from flask import Response, request
from pydantic import Field

from labq.services import export, job_cases, job_view
from labq.services.export import ExportedCase
from labq.services.job_cases import CaseSuite
from labq.web.endpoint import JSON, YAML, Call, Endpoint
from labq.web.parsing import Input, Text
from labq.web.spooled import spooled


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


class ResultsQuery(Input):
    """Which results, and how."""

    format: Form | None = Field(default=None, description="else the Accept header decides")
    suite: Text | None = Field(default=None, description="only this suite")


def show(call: Call, job: int, query: ResultsQuery) -> Response:
    """Return the results of the latest run."""
    job_view.require(call.session, call.viewer, job)
    form = query.format or _accepted()
    suites = job_cases.find_suites(call.session, job, query.suite)
    text = _written(form, suites, job_cases.read(call.session, job, suites))
    kind = _MEDIA[form]
    charset = "" if kind == JSON else "; charset=utf-8"
    return Response(spooled(text), content_type=kind + charset)


def _written(
    form: Form, suites: Sequence[CaseSuite], cases: Iterator[ExportedCase]
) -> Iterator[str]:
    match form:
        case Form.JSON:
            return export.as_json(cases)
        case Form.YAML:
            return export.as_yaml(cases)
        case Form.CSV:
            return export.as_csv(cases)
        case Form.JUNIT:
            return export.as_junit(cases, {suite.name: suite.counts for suite in suites})


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
