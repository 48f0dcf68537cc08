"""jobs/<id>/: suites and tests as lists, all results in one text."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import yaml
from flask import Response, request

from labq.domain.errors import NotFoundError
from labq.services import export, job_cases, job_view
from labq.services.export import ExportedCase
from labq.services.job_cases import CaseSuite
from labq.services.tables import results
from labq.web.endpoint import YAML, Call
from labq.web.lava import words
from labq.web.lava.rest import listing
from labq.web.lava.rest.route import PREFIX, Json, Route, text
from labq.web.spooled import spooled

_CSV, _XML = "application/csv", "application/xml"
_PLACES = 10
LONGEST_METADATA = 4096
"""Characters of the text of a case's metadata, as LAVA keeps it."""


def suites(call: Call, job: int) -> Json:
    """List the suites of a job."""
    wanted = listing.asked()
    found = results.find_suites(call.session, _suites(call, job), wanted)
    return listing.page(found, wanted, _suite)


def suite(call: Call, job: int, suite: int) -> Json:
    """Show one suite."""
    one = results.require(_suites(call, job), suite)
    return {"id": one.id, "resource_uri": _uri(job, one.id), "name": one.name, "job": job}


def tests(call: Call, job: int) -> Json:
    """List the cases of a job."""
    return _cases(call, job, _suites(call, job))


def suite_tests(call: Call, job: int, suite: int) -> Json:
    """List the cases of a suite."""
    return _cases(call, job, [results.require(_suites(call, job), suite)])


def test(call: Call, job: int, test: int) -> Json:
    """Show one case of a job."""
    return _one(call, job, _suites(call, job), test)


def suite_test(call: Call, job: int, suite: int, test: int) -> Json:
    """Show one case of a suite."""
    return _one(call, job, [results.require(_suites(call, job), suite)], test)


def junit(call: Call, job: int) -> Response:
    """Return all results as JUnit XML; `classname_prefix` stands before the names of suites."""
    given = request.args.get("classname_prefix", "")[:200]
    found = _suites(call, job)
    counts = {one.name: one.counts for one in found}
    parts = export.as_junit(_read(call, job, found), counts, f"{given}_" if given else "")
    return _file(parts, _XML, f"job_{job}.xml")


def tap13(call: Call, job: int) -> Response:
    """Return all results as TAP."""
    found = _suites(call, job)
    count = sum(one.size() for one in found)
    return _file(export.as_tap(_read(call, job, found), count), YAML, f"job_{job}.yaml")


def csv(call: Call, job: int) -> Response:
    """Return all results as comma separated values."""
    return _file(export.as_csv(_read(call, job, _suites(call, job))), _CSV, f"job_{job}.csv")


def as_yaml(call: Call, job: int) -> Response:
    """Return all results as YAML."""
    return _file(export.as_yaml(_read(call, job, _suites(call, job))), YAML, f"job_{job}.yaml")


def suite_csv(call: Call, job: int, suite: int) -> Response:
    """Return the results of a suite as comma separated values."""
    one = results.require(_suites(call, job), suite)
    return _file(export.as_csv(_read(call, job, [one])), _CSV, f"suite_{one.id}.csv")


def suite_yaml(call: Call, job: int, suite: int) -> Response:
    """Return the results of a suite as YAML."""
    one = results.require(_suites(call, job), suite)
    return _file(export.as_yaml(_read(call, job, [one])), YAML, f"suite_{one.id}.yaml")


def _suites(call: Call, job: int) -> list[CaseSuite]:
    """Return the suites of a job that have cases; raises NotFoundError unless the caller sees it."""
    job_view.require(call.session, call.viewer, job)
    return [one for one in job_cases.find_suites(call.session, job) if one.size()]


def _read(call: Call, job: int, found: list[CaseSuite]) -> Iterator[ExportedCase]:
    return job_cases.read(call.session, job, found)


def _file(parts: Iterator[str], kind: str, name: str) -> Response:
    return text(spooled(parts), f"{kind}; charset=utf-8", name)


def _cases(call: Call, job: int, found: list[CaseSuite]) -> Json:
    wanted = listing.asked()
    names = {one.id: one.name for one in found}
    page = results.find_cases(call.session, found, wanted)
    return listing.page(page, wanted, partial(_case, job, names))


def _one(call: Call, job: int, found: list[CaseSuite], test: int) -> Json:
    row = results.find_case(call.session, found, test)
    if row is not None:
        return _case(job, {one.id: one.name for one in found}, row)
    raise NotFoundError(f"there is no test {test}")


def _suite(row: Any) -> Json:
    return {
        "id": row.id,
        "resource_uri": _uri(row.job_id, row.id),
        "name": row.name,
        "job": row.job_id,
    }


def _case(job: int, names: dict[int, str], row: Any) -> Json:
    case = ExportedCase(
        id=row.id,
        job=job,
        suite=names[row.suite_id],
        name=row.name,
        verdict=row.verdict,
        logged_at=row.logged_at,
        measurement=row.measurement,
        units=row.units,
        test_set=row.test_set,
        details=row.details,
    )
    metadata = yaml.dump(case.metadata, Dumper=yaml.CSafeDumper, allow_unicode=True)
    return {
        "id": row.id,
        "result": row.verdict.value,
        "resource_uri": f"{_uri(job, row.suite_id)}tests/{row.id}/",
        "unit": row.units,
        "name": row.name,
        "measurement": None if row.measurement is None else f"{row.measurement:.{_PLACES}f}",
        "metadata": metadata[:LONGEST_METADATA],
        "start_log_line": row.start_line,
        "end_log_line": row.end_line,
        "logged": words.json_time(row.logged_at),
        "suite": row.suite_id,
        "test_set": _set_number(row.suite_id, row.test_set),
    }


def _set_number(suite: int, name: str | None) -> int | None:
    """Return a number for a set, the same for all its cases: labq knows sets by name alone."""
    return None if name is None else zlib.crc32(f"{suite}/{name}".encode())


def _uri(job: int, suite: int) -> str:
    return f"{request.host_url.rstrip('/')}{PREFIX}jobs/{job}/suites/{suite}/"


ROUTES = (
    Route(method="GET", path="jobs/<id:job>/suites/", run=suites),
    Route(method="GET", path="jobs/<id:job>/suites/<id:suite>/", run=suite),
    Route(method="GET", path="jobs/<id:job>/suites/<id:suite>/tests/", run=suite_tests),
    Route(method="GET", path="jobs/<id:job>/suites/<id:suite>/tests/<id:test>/", run=suite_test),
    Route(method="GET", path="jobs/<id:job>/suites/<id:suite>/csv/", run=suite_csv),
    Route(method="GET", path="jobs/<id:job>/suites/<id:suite>/yaml/", run=suite_yaml),
    Route(method="GET", path="jobs/<id:job>/tests/", run=tests),
    Route(method="GET", path="jobs/<id:job>/tests/<id:test>/", run=test),
    Route(method="GET", path="jobs/<id:job>/junit/", run=junit),
    Route(method="GET", path="jobs/<id:job>/tap13/", run=tap13),
    Route(method="GET", path="jobs/<id:job>/csv/", run=csv),
    Route(method="GET", path="jobs/<id:job>/yaml/", run=as_yaml),
)
