"""Job definitions as tests need them, built as values and written as YAML."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

Block = Mapping[str, Any]

DEFINITION_FORMAT = "Lava-Test Test Definition 1.0"


def definition(device_type: str, *blocks: Block, name: str = "trial", **keys: Any) -> str:
    """Return a job of these blocks as YAML text; `keys` are further top-level keys."""
    return yaml.safe_dump(
        {
            "job_name": name,
            "device_type": device_type,
            "visibility": "public",
            "timeouts": {"job": {"minutes": 5}, "action": {"minutes": 2}},
            "actions": list(blocks),
            **keys,
        },
        sort_keys=False,
    )


def deploy(to: str, **keys: Any) -> Block:
    """Return a deploy block."""
    return {"deploy": {"to": to, **keys}}


def boot(method: str, **keys: Any) -> Block:
    """Return a boot block."""
    return {"boot": {"method": method, **keys}}


def interactive(*script: Mapping[str, object], prompts: Sequence[str], **keys: Any) -> Block:
    """Return an interactive test of one script named `session`."""
    item = {"name": "session", "prompts": list(prompts), "script": list(script)}
    return {"test": {"interactive": [item], **keys}}


def say(command: str, name: str = "", **keys: Any) -> Mapping[str, object]:
    """Return one command of an interactive script; with a name it is a result."""
    return {"command": command, **({"name": name} if name else {}), **keys}


def shell_test(*steps: str, name: str = "smoke", **keys: Any) -> Block:
    """Return a test block with one inline definition."""
    return {"test": {"definitions": [inline(*steps, name=name)], **keys}}


def inline(*steps: str, name: str = "smoke", **keys: Any) -> Mapping[str, object]:
    """Return one inline definition."""
    return {
        "from": "inline",
        "name": name,
        "path": f"inline/{name}.yaml",
        "repository": lava_test(*steps, name=name),
        **keys,
    }


def lava_test(*steps: str, name: str = "smoke", **keys: Any) -> Mapping[str, object]:
    """Return a Lava-Test definition of these steps."""
    return {
        "metadata": {"format": DEFINITION_FORMAT, "name": name, "description": "a trial"},
        "run": {"steps": list(steps)},
        **keys,
    }


def wait_for_file(path: object) -> str:
    """Return a shell command that ends when a file appears: how a test holds a step."""
    return f"while [ ! -e {shlex.quote(str(path))} ]; do sleep 0.1; done"
