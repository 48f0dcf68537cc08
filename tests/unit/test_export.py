"""Results as LAVA's clients and other programs read them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from xml.etree import ElementTree

import yaml

from labq.domain.verdicts import Verdict
from labq.services import export
from labq.services.export import ExportedCase

CASE = ExportedCase(
    id=7,
    job=3,
    suite="0_smoke",
    name="speed",
    verdict=Verdict.PASS,
    logged_at=datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
    measurement=Decimal("12.5000000000"),
    units="MB/s",
    test_set="disk",
    line=11,
    start_line=10,
    end_line=12,
    details={"level": "3.1"},
)
PLAIN = replace(CASE, id=8, name="boots", measurement=None, units="", test_set=None, details={})


def test_a_case_dict_holds_text_and_a_metadata_mapping() -> None:
    assert export.case_dict(CASE) == {
        "name": "speed",
        "job": "3",
        "suite": "0_smoke",
        "result": "pass",
        "measurement": "12.5000000000",
        "unit": "MB/s",
        "level": "3.1",
        "url": "/results/testcase/7",
        "id": "7",
        "logged": "2026-01-02 03:04:05.000600+00:00",
        "log_start_line": "10",
        "log_end_line": "12",
        "metadata": {
            "case": "speed",
            "definition": "0_smoke",
            "result": "pass",
            "set": "disk",
            "measurement": "12.5",
            "units": "MB/s",
            "level": "3.1",
        },
    }


def test_a_measurement_has_no_exponent() -> None:
    found = export.case_dict(replace(CASE, measurement=Decimal("0E-10")))
    assert (found["measurement"], found["metadata"]["measurement"]) == ("0.0000000000", "0")


def test_a_missing_measurement_is_the_text_none() -> None:
    assert export.case_dict(PLAIN)["measurement"] == "None"


def test_logged_details_cannot_change_the_verdict_in_the_metadata() -> None:
    assert replace(PLAIN, details={"result": "fail"}).metadata["result"] == "pass"


def test_yaml_reads_back_as_the_case_dicts() -> None:
    hostile = replace(PLAIN, name="a: [\x1b\n\u2028] #", details={"error_msg": "é: \t- x"})
    loaded = yaml.safe_load("".join(export.as_yaml([CASE, hostile])))
    assert loaded == [export.case_dict(CASE), export.case_dict(hostile)]


def test_csv_has_lavas_columns_in_lavas_order() -> None:
    case = replace(CASE, name='a,"b"\nc', details={"duration": "1.5"})
    text = "".join(export.as_csv([case]))
    assert text.splitlines()[0] == (
        "job,suite,result,measurement,unit,duration,timeout,logged,level,metadata,url,name,id,"
        "log_start_line,log_end_line"
    )
    [row] = csv.DictReader(io.StringIO(text, newline=""))
    assert row["name"] == 'a,"b"\nc'
    assert row["duration"] == "1.5"
    assert json.loads(row["metadata"])["case"] == 'a,"b"\nc'


def test_json_is_typed_and_its_measurement_has_no_trailing_zeros() -> None:
    first, second = json.loads("".join(export.as_json([CASE, PLAIN])))
    assert (first["measurement"], first["set"], first["start_line"]) == ("12.5", "disk", 10)
    assert (second["measurement"], second["set"]) == (None, None)


def test_junit_counts_verdicts_and_names_the_suite_as_class() -> None:
    cases = [replace(CASE, verdict=verdict) for verdict in Verdict]
    other = replace(CASE, suite="lava", units="seconds")
    counts = {"0_smoke": dict.fromkeys(Verdict, 1), "lava": {Verdict.PASS: 1}}
    root = ElementTree.fromstring("".join(export.as_junit([*cases, other], counts)))
    suite, lava = root
    assert suite.attrib == {
        "name": "0_smoke",
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    assert suite[0].get("classname") == "0_smoke"
    assert lava[0].get("time") == "12.5"
    assert [[child.tag for child in case] for case in suite] == [
        [],
        ["failure"],
        ["skipped"],
        ["error"],
    ]


def test_junit_stands_control_characters_and_markup() -> None:
    name = 'x\x00\x1b\ud800\uffff<b>&"]]>'
    text = "".join(export.as_junit([replace(PLAIN, name=name)], {"0_smoke": {}}))
    root = ElementTree.fromstring(text.encode())
    assert root[0][0].get("name") == 'x\ufffd\ufffd\ufffd\ufffd<b>&"]]>'


def test_exports_of_no_cases_are_documents() -> None:
    assert ElementTree.fromstring("".join(export.as_junit([], {}))).tag == "testsuites"
    assert json.loads("".join(export.as_json([]))) == []
    assert yaml.safe_load("".join(export.as_yaml([]))) == []
    assert list(csv.DictReader(export.as_csv([]))) == []
