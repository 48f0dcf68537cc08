"""Timeouts of slow hosts and sites."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labq.config import load
from labq.domain.errors import ConfigurationError, InvalidInputError
from labq.domain.plan import StepKind, Timeouts
from labq.domain.timeout_scale import check_scales, parse_scales, scale_of
from labq.jobdef.plan_timeouts import scale_plan
from tests.unit.plans import plan, step

TIMES = Timeouts(
    block=100.0,
    action=10.0,
    connection=5.0,
    actions={"http-download": 50.0},
    connections={"a": 7.0},
)
BOOT = replace(step("minimal", {}), kind=StepKind.BOOT, timeouts=TIMES, deadline=130.0)
DOWNLOAD = replace(BOOT, kind=StepKind.DOWNLOAD)
PLAN = plan([DOWNLOAD, BOOT], job_deadline=600.0)


def test_the_host_goes_before_the_site_and_a_kind_before_all():
    host, site = {"boot": 2.0}, {"boot": 5.0, "download": 3.0, "all": 1.5}
    assert scale_of(StepKind.BOOT, host, site) == 2.0
    assert scale_of(StepKind.DOWNLOAD, host, site) == 3.0
    assert scale_of(StepKind.TEST, host, site) == 1.5
    assert scale_of(StepKind.DOWNLOAD, {"all": 1.0}, site) == 1.0
    assert scale_of(StepKind.TEST, {}, {}) == 1.0


def test_every_time_of_a_scaled_step_grows_and_the_margin_of_the_bench_stays():
    download, boot = scale_plan(PLAN, {"download": 3.0}, {}).steps
    assert boot == BOOT
    assert download.timeouts == Timeouts(
        block=300.0,
        action=30.0,
        connection=15.0,
        actions={"http-download": 150.0},
        connections={"a": 21.0},
        scale=3.0,
    )
    assert download.deadline == 330.0


def test_the_job_has_as_much_more_time_as_its_slowest_step():
    assert scale_plan(PLAN, {"download": 3.0, "boot": 2.0}, {}).job_deadline == 1800.0
    assert scale_plan(PLAN, {"all": 0.5}, {}).job_deadline == 600.0


def test_without_factors_a_plan_stays_the_same():
    assert scale_plan(PLAN, {}, {}) is PLAN


def test_factors_are_read_with_and_without_a_kind():
    assert parse_scales("1.5, download=3", "x") == {"all": 1.5, "download": 3.0}
    assert parse_scales("", "x") == {}


@pytest.mark.parametrize("text", ["fast", "boot=x", "boot"])
def test_what_is_no_factor_is_refused(text: str):
    with pytest.raises(InvalidInputError, match="is not KIND=FACTOR or FACTOR"):
        parse_scales(text, "x")


def test_unknown_kinds_and_wild_factors_are_told_together():
    with pytest.raises(InvalidInputError) as error:
        check_scales({"coffee": 2.0, "boot": 0.0, "test": float("nan")}, "scales")
    assert [problem.path for problem in error.value.problems] == [
        "scales.coffee",
        "scales.boot",
        "scales.test",
    ]


def test_a_wrong_factor_of_the_site_stops_the_server_with_its_name():
    with pytest.raises(ConfigurationError, match="LABQ_TIMEOUT_SCALE"):
        load({"LABQ_TIMEOUT_SCALE": "boot=1000"})
    assert load({"LABQ_TIMEOUT_SCALE": "boot=2"}).site_timeout_scales == {"boot": 2.0}


def test_an_unknown_preset_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="LABQ_PRESET"):
        load({"LABQ_PRESET": "turbo"})
