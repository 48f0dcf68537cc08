"""Results in the forms that leave the server: case dicts as LAVA's, YAML, CSV, JUnit XML, JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from xml.etree import ElementTree

import yaml
from typing_extensions import override

from labq.domain.figures import plain_decimal
from labq.domain.verdicts import Verdict

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


def as_yaml(cases: Iterable[ExportedCase]) -> Iterator[str]:
    """Yield a YAML list of case dicts."""
    is_empty = True
    for case in cases:
        is_empty = False
        yield yaml.dump([case_dict(case)], Dumper=_Dumper, allow_unicode=True)
    if is_empty:
        yield "[]\n"


def as_csv(cases: Iterable[ExportedCase]) -> Iterator[str]:
    """Yield comma separated values with a header line; metadata stands as JSON in its column."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for case in cases:
        writer.writerow(_csv_row(case))
        yield out.getvalue()
        out.seek(0)
        out.truncate()
    yield out.getvalue()


def as_json(cases: Iterable[ExportedCase]) -> Iterator[str]:
    """Yield a JSON list of typed cases, as `/api/v1` shows them."""
    before = "["
    for case in cases:
        yield before + json.dumps(typed_dict(case), ensure_ascii=False)
        before = ", "
    yield "[]" if before == "[" else "]"


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


def as_junit(
    cases: Iterable[ExportedCase],
    counts: Mapping[str, Mapping[Verdict, int]],
    class_prefix: str = "",
) -> Iterator[str]:
    """Yield JUnit XML: a suite for each suite, `classname` is its name behind a prefix.

    `counts` are by suite.
    """
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    ended = "<testsuites />\n"
    for name, group in groupby(cases, key=lambda case: case.suite):
        yield "<testsuites>\n" if ended.startswith("<testsuites") else ""
        ended = "</testsuites>\n"
        yield from _junit_suite(name, group, counts[name], class_prefix)
    yield ended


def as_tap(cases: Iterable[ExportedCase], count: int) -> Iterator[str]:
    """Yield TAP version 13, whose plan comes first; names stand on one line."""
    yield f"TAP version 13\n1..{count}\n"
    number = 0
    for name, group in groupby(cases, key=lambda case: case.suite):
        yield f"# TAP results for {_line_of(name)}\n"
        for case in group:
            number += 1
            verdict, directive = _TAP[case.verdict]
            yield f"{verdict} {number} {_line_of(case.name)}{directive}\n"


def _junit_suite(
    name: str, cases: Iterable[ExportedCase], counts: Mapping[Verdict, int], class_prefix: str
) -> Iterator[str]:
    """Yield a suite, whose numbers come before its cases."""
    suite = ElementTree.Element(
        "testsuite",
        name=_xml(name),
        tests=str(sum(counts.values())),
        failures=str(counts.get(Verdict.FAIL, 0)),
        errors=str(counts.get(Verdict.UNKNOWN, 0)),
        skipped=str(counts.get(Verdict.SKIP, 0)),
    )
    opened = ElementTree.tostring(suite, encoding="unicode", short_empty_elements=False)
    yield f"  {opened.removesuffix('</testsuite>')}\n"
    for case in cases:
        element = _junit_case(case, class_prefix)
        ElementTree.indent(element, level=2)
        yield f"    {ElementTree.tostring(element, encoding='unicode').rstrip()}\n"
    yield "  </testsuite>\n"


def _junit_case(case: ExportedCase, class_prefix: str) -> ElementTree.Element:
    element = ElementTree.Element(
        "testcase",
        classname=_xml(class_prefix + case.suite),
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


_TAP: Mapping[Verdict, tuple[str, str]] = {
    Verdict.PASS: ("ok", ""),
    Verdict.FAIL: ("not ok", ""),
    Verdict.SKIP: ("ok", " # SKIP test skipped"),
    Verdict.UNKNOWN: ("not ok", " # TODO unknown result"),
}


def _line_of(text: str) -> str:
    return " ".join(text.split())


def _line(number: int | None) -> str:
    return "" if number is None else str(number)


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
