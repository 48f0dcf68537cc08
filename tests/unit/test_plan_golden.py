"""Golden plans: the plan of a job of each kind without its defaults, as JSON in `data/plans`.

After a wanted change write them again: `LABQ_WRITE_GOLDEN=1 pytest tests/unit/test_plan_golden.py`.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from labq.domain.errors import ConfigurationError, InfrastructureError
from labq.domain.plan import Plan
from labq.jobdef.parse import parse_job
from labq.jobdef.plan import build_plan
from labq.plans import digest, dump_plan, load_plan
from tests.unit import jobs

TYPES = {
    "qemu": "qemu",
    "uboot": "qemu-uboot",
    "uml": "uml",
    "shell": "shell",
    "fastboot": "fastboot-board",
}


def plan(name: str) -> Plan:
    spec = parse_job(jobs.read_text(name))
    device = jobs.device(TYPES[name], context=spec.context)
    return build_plan(spec, device, run=11, job=42, host="local", host_address="192.168.1.1")


@pytest.mark.parametrize("name", TYPES)
def test_the_plan_is_the_golden_one(name: str) -> None:
    path = jobs.DATA / "plans" / f"{name}.json"
    value = TypeAdapter(Plan).dump_python(plan(name), mode="json", exclude_defaults=True)
    text = json.dumps(value, indent=1, sort_keys=True) + "\n"
    if os.environ.get("LABQ_WRITE_GOLDEN"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("name", TYPES)
def test_a_plan_comes_back_from_its_json(name: str) -> None:
    made = plan(name)
    text = dump_plan(made)
    assert load_plan(text) == made
    assert dump_plan(load_plan(text)) == text


def test_plans_are_compact_and_named_by_their_bytes() -> None:
    text = dump_plan(plan("shell"))
    assert "\n" not in text
    assert '": ' not in text.replace('echo \\"', "")
    turned = dict(reversed(plan("shell").dictionary.items()))
    assert digest(text) == digest(dump_plan(replace(plan("shell"), dictionary=turned)))
    assert digest(text) != digest(dump_plan(replace(plan("shell"), run=12)))
    assert len(digest(text)) == 64


@pytest.mark.parametrize("text", ["", "[]", '{"run": 1}', "null"])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(InfrastructureError, match="not a plan"):
        load_plan(text)


def test_wrong_types_in_a_plan_are_refused() -> None:
    with pytest.raises(InfrastructureError, match="not a plan"):
        load_plan(dump_plan(plan("shell")).replace('"run":11', '"run":"11"'))


def test_a_plan_of_a_newer_labq_is_refused_with_both_versions_whatever_its_fields_are() -> None:
    text = json.dumps({"format": 99, "run": "of another type"})
    with pytest.raises(ConfigurationError, match=r"form 99, labq .* reads form 1"):
        load_plan(text)
