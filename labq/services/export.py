"""Results in the forms that leave the server: case dicts as LAVA's, YAML, CSV, JUnit XML, JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

import yaml
from sqlalchemy import Select, select
from sqlalchemy.orm import Session
from typing_extensions import override

from labq.domain.figures import plain_decimal
from labq.domain.verdicts import Verdict
from labq.models.job import Job
from labq.models.partition import submitted_day
from labq.models.result import TestCase, TestSuite

CSV_COLUMNS = (
    "job",
    "suite",
    "result",
    "measurement",
    "unit",
    "duration",
    "timeout",
    "logged",
    "level",
    "metadata",
    "url",
    "name",
    "id",
    "log_start_line",
    "log_end_line",
)
# What XML 1.0 cannot carry, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCase:
    """One test case with the names of its suite and job; its signal stood in log line `line`."""

    id: int
    job: int
    suite: str
    name: str
    verdict: Verdict
    logged_at: datetime
    measurement: Decimal | None = None
    units: str = ""
    test_set: str | None = None
    line: int | None = None
    start_line: int | None = None
    end_line: int | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, object]:
        """Return the result as it was logged, LAVA's `metadata` of a case."""
        logged: dict[str, object] = {
            "case": self.name,
            "definition": self.suite,
            "result": self.verdict.value,
        }
        if self.test_set is not None:
            logged["set"] = self.test_set
        if self.measurement is not None:
            logged |= {"measurement": plain_decimal(self.measurement), "units": self.units}
        return {**self.details, **logged}


def find_cases(session: Session, job: int, suite: str | None = None) -> list[ExportedCase]:
    """Return the cases of a job's latest run (or of one suite of it) in the order of their suites."""
    query = select_cases(job).order_by(TestSuite.id, TestCase.id)
    if suite is not None:
        query = query.where(TestSuite.name == suite)
    return [ExportedCase(**row._asdict()) for row in session.execute(query)]


def select_cases(job: int) -> Select[*tuple[Any, ...]]:
    """Return the query for the cases of a job's latest run, as the fields of ExportedCase."""
    day = select(submitted_day(Job.submitted_at)).where(Job.id == job).scalar_subquery()
    return (
        select(
            TestCase.id,
            TestSuite.job_id.label("job"),
            TestSuite.name.label("suite"),
            TestCase.name,
            TestCase.verdict,
            TestCase.logged_at,
            TestCase.measurement,
            TestCase.units,
            TestCase.test_set,
            TestCase.line,
            TestCase.start_line,
            TestCase.end_line,
            TestCase.details,
        )
        .join(
            TestSuite,
            (TestSuite.id == TestCase.suite_id) & (TestSuite.submitted_on == TestCase.submitted_on),
        )
        .join(
            Job,
            (Job.id == TestSuite.job_id) & Job.run_id.is_not_distinct_from(TestSuite.run_id),
        )
        .where(Job.id == job, TestSuite.submitted_on == day, TestCase.submitted_on == day)
    )


def case_dict(case: ExportedCase) -> dict[str, object]:
    """Return the case as LAVA exports it: all values are text but the metadata."""
    metadata = case.metadata
    return {
        "name": case.name,
        "job": str(case.job),
        "suite": case.suite,
        "result": case.verdict.value,
        "measurement": "None" if case.measurement is None else f"{case.measurement:f}",
        "unit": case.units,
        "level": str(metadata.get("level", "")),
        "url": f"/results/testcase/{case.id}",
        "id": str(case.id),
        "logged": str(case.logged_at),
        "log_start_line": _line(case.start_line),
        "log_end_line": _line(case.end_line),
        "metadata": metadata,
    }


def as_yaml(cases: Iterable[ExportedCase]) -> str:
    """Return a YAML list of case dicts."""
    return yaml.dump([case_dict(case) for case in cases], Dumper=_Dumper, allow_unicode=True)


def as_csv(cases: Iterable[ExportedCase]) -> str:
    """Return comma separated values with a header line; metadata stands as JSON in its column."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_csv_row(case) for case in cases)
    return out.getvalue()


def as_json(cases: Iterable[ExportedCase]) -> str:
    """Return a JSON list of typed cases, as `/api/v1` shows them."""
    return json.dumps([typed_dict(case) for case in cases], ensure_ascii=False)


def typed_dict(case: ExportedCase) -> dict[str, object]:
    """Return the case with JSON types; the measurement is a decimal text, or null."""
    return {
        "id": case.id,
        "suite": case.suite,
        "set": case.test_set,
        "name": case.name,
        "result": case.verdict.value,
        "measurement": None if case.measurement is None else plain_decimal(case.measurement),
        "units": case.units,
        "logged_at": case.logged_at.isoformat(),
        "line": case.line,
        "start_line": case.start_line,
        "end_line": case.end_line,
        "metadata": case.metadata,
    }


def as_junit(cases: Sequence[ExportedCase], *, classname_prefix: str = "") -> str:
    """Return JUnit XML: a suite for each suite, `classname` is the suite's name."""
    root = ElementTree.Element("testsuites")
    for name, group in groupby(cases, key=lambda case: case.suite):
        root.append(_junit_suite(name, list(group), classname_prefix))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _junit_suite(name: str, cases: Sequence[ExportedCase], prefix: str) -> ElementTree.Element:
    verdicts = [case.verdict for case in cases]
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(name),
        tests=str(len(cases)),
        failures=str(verdicts.count(Verdict.FAIL)),
        errors=str(verdicts.count(Verdict.UNKNOWN)),
        skipped=str(verdicts.count(Verdict.SKIP)),
    )
    suite.extend(_junit_case(case, prefix) for case in cases)
    return suite


def _junit_case(case: ExportedCase, prefix: str) -> ElementTree.Element:
    element = ElementTree.Element(
        "testcase",
        classname=_xml(prefix + case.suite),
        name=_xml(case.name),
        timestamp=case.logged_at.isoformat(),
    )
    if case.measurement is not None and case.units == "seconds":
        element.set("time", plain_decimal(case.measurement))
    element.extend(_junit_verdict(case))
    return element


def _junit_verdict(case: ExportedCase) -> Iterator[ElementTree.Element]:
    match case.verdict:
        case Verdict.PASS:
            return
        case Verdict.FAIL:
            yield ElementTree.Element("failure", type="failure", message="failed")
        case Verdict.SKIP:
            yield ElementTree.Element("skipped", type="skipped", message="skipped")
        case Verdict.UNKNOWN:
            yield ElementTree.Element("error", type="error", message="unknown")


def _csv_row(case: ExportedCase) -> dict[str, object]:
    metadata = case.metadata
    return {
        **case_dict(case),
        "duration": metadata.get("duration", ""),
        "timeout": metadata.get("timeout", ""),
        "metadata": json.dumps(metadata, ensure_ascii=False),
    }


class _Dumper(yaml.CSafeDumper):
    """Writes a dict that occurs twice in full: readers of single entries know no aliases."""

    @override
    def ignore_aliases(self, data: object) -> bool:
        return True


def _line(number: int | None) -> str:
    return "" if number is None else str(number)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
