"""Test `monitors`: read results out of what the device prints by itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.values import Labelled, Maybe, Name, Text
from labq.domain.plan import Queue, StepKind


class Monitor(Parameters):
    """One part of the output, from `start` to `end`.

    `pattern` is a regular expression with groups of test_case_id, result, measurement, units;
    `fixupdict` translates results.
    """

    name: Name
    start: Text
    end: Text
    pattern: Text
    fixupdict: Labelled[Literal["pass", "fail", "skip", "unknown"]] = Field(default_factory=dict)
    expected: Maybe[list[Text]] = None


class MonitorsParameters(Parameters):
    """A test block with `monitors`."""

    monitors: list[Monitor]


METHOD = Method(
    name="monitors",
    parameters=MonitorsParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
)
