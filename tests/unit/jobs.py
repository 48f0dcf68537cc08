"""Job and device texts for tests of job definitions and plans."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from labq.jobdef.device import DeviceSpec, read_device, render_device
from labq.jobdef.parse import parse_job
from labq.jobdef.spec import JobSpec
from labq.jobdef.templates import Library

DATA = Path(__file__).parent / "data"


def read_text(name: str) -> str:
    """Return a job of the data folder."""
    return (DATA / "jobs" / f"{name}.yaml").read_text()


def job(**changes: object) -> dict[str, object]:
    """Return a small valid job; a change to None removes the key."""
    base: dict[str, object] = {
        "job_name": "smoke",
        "device_type": "qemu",
        "visibility": "public",
        "timeouts": {"job": {"minutes": 10}},
        "actions": [],
    }
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def spec(**changes: object) -> JobSpec:
    """Return a small valid job, parsed."""
    return parse_job(text(**changes))


def text(**changes: object) -> str:
    """Return a small valid job as YAML."""
    return yaml.safe_dump(job(**changes), sort_keys=False)


def device(
    template: str = "qemu",
    *,
    variables: str = "",
    context: Mapping[str, object] | None = None,
) -> DeviceSpec:
    """Return a device of one of labq's own types."""
    source = f"{{% extends '{template}.jinja2' %}}\n{variables}\n"
    dictionary = render_device(
        source, name="board-01", device_type=template, context=context or {}, library=Library()
    )
    return read_device(dictionary, name="board-01", device_type=template)
