"""Multinode definitions for shell devices, as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tests.lab.devices import PROMPT
from tests.lab.jobs import inline

CACHE = "$LAVA_RESULT_DIR/answer"
"""Where helpers keep an answer: shell devices of one machine share its /tmp."""


def role(count: int = 1, **keys: Any) -> dict[str, Any]:
    """Return a role of shell devices."""
    return {"device_type": "shell", "count": count, **keys}


def group(
    roles: Mapping[str, Mapping[str, Any]],
    steps: Mapping[str, list[str]],
    *,
    seconds: int = 60,
    **keys: Any,
) -> str:
    """Return a job whose roles run their steps as one inline definition each, in their shells."""
    boots = {"method": "minimal", "prompts": [PROMPT], "role": list(steps)}
    tests = [
        {
            "test": {
                "role": [name],
                "timeout": {"seconds": seconds},
                "definitions": [inline(f"export LAVA_MULTI_NODE_CACHE={CACHE}", *lines, name=name)],
            }
        }
        for name, lines in steps.items()
    ]
    return yaml.safe_dump(
        {
            "job_name": "group trial",
            "visibility": "public",
            "timeouts": {"job": {"minutes": 5}, "action": {"minutes": 2}},
            "protocols": {
                "lava-multinode": {"roles": dict(roles), "timeout": {"seconds": seconds}}
            },
            "actions": [{"boot": boots}, *tests],
            **keys,
        },
        sort_keys=False,
    )
