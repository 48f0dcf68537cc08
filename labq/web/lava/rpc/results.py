"""results: the cases of jobs as YAML and CSV, for users alone."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from xmlrpc.client import Fault

import yaml

from labq.domain.errors import ForbiddenError
from labq.services import export, job_brief, job_cases
from labq.services.export import ExportedCase
from labq.services.job_brief import JobBrief
from labq.services.job_cases import CaseSuite
from labq.web.endpoint import Call, Level
from labq.web.lava.faults import bad_request
from labq.web.lava.method import Int, JobId, Method, Text

_SUITE_COLUMNS = ("name", "job", "id")
_NO_QUERIES = (
    "labq keeps no queries; search by /api/v1/jobs?q= and /api/v1/cases, or by REST filters"
)


def job_yaml(call: Call, job_id: JobId) -> str:
    """Return all cases of a job as YAML."""
    return "".join(export.as_yaml(_cases(call, _find(call, job_id))))


def job_csv(call: Call, job_id: JobId) -> str:
    """Return all cases of a job as CSV."""
    return "".join(export.as_csv(_cases(call, _find(call, job_id))))


def suite_yaml(
    call: Call,
    job_id: JobId,
    suite_name: Text,
    limit: Int | None = None,
    offset: Int | None = None,
) -> str:
    """Return the cases of a suite as YAML, `limit` of them after the first `offset`."""
    return "".join(export.as_yaml(_part(call, job_id, suite_name, limit=limit, offset=offset)))


def suite_csv(
    call: Call,
    job_id: JobId,
    suite_name: Text,
    limit: Int | None = None,
    offset: Int | None = None,
) -> str:
    """Return the cases of a suite as CSV, as the method for YAML does."""
    return "".join(export.as_csv(_part(call, job_id, suite_name, limit=limit, offset=offset)))


def case_yaml(call: Call, job_id: JobId, suite_name: Text, case_name: Text) -> str:
    """Return the cases of one name in a suite as YAML."""
    return "".join(export.as_yaml(_named(call, job_id, suite_name, case_name)))


def case_csv(call: Call, job_id: JobId, suite_name: Text, case_name: Text) -> str:
    """Return the cases of one name in a suite as CSV."""
    return "".join(export.as_csv(_named(call, job_id, suite_name, case_name)))


def suites_yaml(call: Call, job_id: JobId) -> str:
    """Return the suites of a job as YAML."""
    return yaml.safe_dump(_suites(call, job_id), default_flow_style=False)


def suites_csv(call: Call, job_id: JobId) -> str:
    """Return the suites of a job as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, _SUITE_COLUMNS, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(_suites(call, job_id))
    return out.getvalue()


def count(call: Call, job_id: JobId, suite_name: Text) -> int:
    """Return how many cases a suite has."""
    return _suite(call, _find(call, job_id), suite_name).size()


def metadata(call: Call, job_id: JobId) -> list[dict[str, object]]:
    """Return the metadata of a job: an array of {key: value}."""
    job = _find(call, job_id)
    found = job_brief.find_metadata(call.session, job.id)
    return [{name: value} for name, value in found.items()]


def custom_query(call: Call, entity: Text, conditions: Text, limit: Int = 200) -> None:
    """Refuse: labq searches jobs and cases in its own words."""
    raise bad_request(f"{entity}: {_NO_QUERIES}")


def run_query(
    call: Call,
    query_name: Text,
    limit: Int = 200,
    username: Text | None = None,
) -> None:
    """Refuse: nobody has stored a query here."""
    raise _no_query(query_name, username)


def refresh_query(call: Call, query_name: Text, username: Text | None = None) -> None:
    """Refuse: nobody has stored a query here."""
    raise _no_query(query_name, username)


def _no_query(name: str, username: str | None) -> Fault:
    owner = f" owned by user {username}" if username else ""
    message = f"Query with name {name}{owner} does not exist: {_NO_QUERIES}"
    return Fault(int(HTTPStatus.NOT_FOUND), message)


def _find(call: Call, job_id: int | str) -> JobBrief:
    """Return the job; raises Fault with the code that results have for a hidden one."""
    if not job_id:
        raise bad_request("Bad request: TestJob id was not specified.")
    try:
        return job_brief.find(call.session, call.viewer, job_id)
    except ForbiddenError as error:
        message = f"Permission denied for user to job {job_id}"
        raise Fault(int(HTTPStatus.UNAUTHORIZED), message) from error


def _cases(call: Call, job: JobBrief) -> Iterator[ExportedCase]:
    suites = job_cases.find_suites(call.session, job.id)
    return job_cases.read(call.session, job.id, suites)


def _part(
    call: Call, job_id: int | str, suite_name: str, *, limit: int | None, offset: int | None
) -> Iterator[ExportedCase]:
    job = _find(call, job_id)
    suite = _suite(call, job, suite_name)
    first = max(0, offset or 0)
    last = None if limit is None else first + max(0, limit)
    return islice(job_cases.read(call.session, job.id, [suite]), first, last)


def _named(call: Call, job_id: int | str, suite: str, case: str) -> list[ExportedCase]:
    job = _find(call, job_id)
    found = job_cases.find_named(call.session, job.id, _suite(call, job, suite), case)
    if not found:
        raise Fault(int(HTTPStatus.NOT_FOUND), "Specified test case not found.")
    return found


def _suite(call: Call, job: JobBrief, name: str) -> CaseSuite:
    suites = job_cases.find_suites(call.session, job.id, name)
    if not suites:
        raise Fault(int(HTTPStatus.NOT_FOUND), "Specified test suite not found.")
    return suites[0]


def _suites(call: Call, job_id: int | str) -> list[dict[str, str]]:
    job = _find(call, job_id)
    return [
        {"name": suite.name, "job": str(job.id), "id": str(suite.id)}
        for suite in job_cases.find_suites(call.session, job.id)
    ]


METHODS = (
    Method(
        name="results.get_testjob_results_yaml", run=job_yaml, returns="string", level=Level.USER
    ),
    Method(name="results.get_testjob_results_csv", run=job_csv, returns="string", level=Level.USER),
    Method(
        name="results.get_testsuite_results_yaml",
        run=suite_yaml,
        returns="string",
        level=Level.USER,
    ),
    Method(
        name="results.get_testsuite_results_csv", run=suite_csv, returns="string", level=Level.USER
    ),
    Method(
        name="results.get_testcase_results_yaml", run=case_yaml, returns="string", level=Level.USER
    ),
    Method(
        name="results.get_testcase_results_csv", run=case_csv, returns="string", level=Level.USER
    ),
    Method(
        name="results.get_testjob_suites_list_yaml",
        run=suites_yaml,
        returns="string",
        level=Level.USER,
    ),
    Method(
        name="results.get_testjob_suites_list_csv",
        run=suites_csv,
        returns="string",
        level=Level.USER,
    ),
    Method(name="results.get_testsuite_results_count", run=count, returns="int", level=Level.USER),
    Method(name="results.get_testjob_metadata", run=metadata, returns="array", level=Level.USER),
    Method(name="results.make_custom_query", run=custom_query, returns="array", level=Level.USER),
    Method(name="results.run_query", run=run_query, returns="array", level=Level.USER),
    Method(name="results.refresh_query", run=refresh_query, returns="nil", level=Level.USER),
)
