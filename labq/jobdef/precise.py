"""The precise check of a job definition, lax or strict: what LAVA's `validate` answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ValidationError

from labq.actions import model_errors
from labq.actions.block_keys import BlockKeys
from labq.actions.method import Method
from labq.actions.values import TIMEOUT_UNITS, Level
from labq.jobdef.blocks import METHODS
from labq.jobdef.precise_job import KINDS, job_check
from labq.jobdef.schema import Finding
from labq.jobdef.source import Path

_Block = tuple[Path, dict[object, object]]

_JOBS = {level: job_check(level) for level in Level}
_COMMON = frozenset(field.alias or name for name, field in BlockKeys.model_fields.items())
_NAMES = {"deploy": "to", "boot": "method"}
_TESTS = ("definitions", "interactive", "monitors", "services")
_UNITS = (*TIMEOUT_UNITS, "milliseconds")
_REMOVED = "LAVA has no LXC any more: use docker"
_NOT_IN_GROUPS = ("device_type", "environment", "context", "tags")


def findings(job: object, level: Level) -> Iterator[Finding]:
    """Yield everything that is wrong with a parsed job, each with its path."""
    yield from _JOBS[level](job, ())
    if not isinstance(job, dict):
        return
    actions = job.get("actions")
    listed = list(enumerate(actions)) if isinstance(actions, list) else []
    yield from _without_block(listed)
    blocks = list(_blocks(listed))
    yield from _durations(job, blocks)
    yield from _group(job, blocks)
    yield from _namespaces(blocks, len(listed))
    for path, block in blocks:
        yield from _block(path, block, level)


def _without_block(actions: list[tuple[int, object]]) -> Iterator[Finding]:
    for index, action in actions:
        if isinstance(action, dict) and next(iter(action), None) not in KINDS:
            yield ("actions", index), f"its first key must be one of: {', '.join(KINDS)}"


def _blocks(actions: list[tuple[int, object]]) -> Iterator[_Block]:
    """Yield the block of each action: LAVA looks at the first key alone."""
    for index, action in actions:
        if isinstance(action, dict) and action:
            kind, block = next(iter(action.items()))
            if kind in KINDS and isinstance(block, dict):
                yield ("actions", index, kind), block


def _durations(job: Mapping[object, object], blocks: list[_Block]) -> Iterator[Finding]:
    timeouts = job.get("timeouts")
    if not isinstance(timeouts, dict):
        return
    longest = _seconds(timeouts.get("job"))
    for path, timeout in (*_global_timeouts(timeouts), *_block_timeouts(blocks)):
        seconds = _seconds(timeout)
        if seconds is None and isinstance(timeout, dict):
            yield path, "must have numbers for all its units, and not too large ones"
        elif seconds is None and timeout is not None and not isinstance(path[-1], str):
            yield path, "must be a mapping such as {minutes: 5}"
        if (seconds or 0) > (math.inf if longest is None else longest):
            yield path, "is longer than the timeout of the whole job"


def _global_timeouts(timeouts: Mapping[object, object]) -> Iterator[tuple[Path, object]]:
    for key in ("job", "action", "connection"):
        yield ("timeouts", key), timeouts.get(key)
    for key in ("actions", "connections"):
        named = timeouts.get(key)
        for name, timeout in named.items() if isinstance(named, dict) else ():
            yield ("timeouts", key, name), timeout


def _block_timeouts(blocks: list[_Block]) -> Iterator[tuple[Path, object]]:
    for path, block in blocks:
        yield (*path, "timeout"), block.get("timeout")


def _seconds(timeout: object) -> float | None:
    """Return the sum of all units, None for what is no timeout or too long to be one."""
    if not isinstance(timeout, dict):
        return None
    amounts = {unit: timeout[unit] for unit in _UNITS if unit in timeout}
    numbers = {unit: one for unit, one in amounts.items() if isinstance(one, int | float)}
    if len(numbers) < len(amounts):
        return None
    try:
        return timedelta(**numbers).total_seconds()
    except OverflowError:
        return None


def _group(job: Mapping[object, object], blocks: list[_Block]) -> Iterator[Finding]:
    protocols = job.get("protocols")
    if not (isinstance(protocols, dict) and protocols.get("lava-multinode")):
        if not job.get("device_type"):
            yield (), "needs the key 'device_type', or 'lava-multinode' in 'protocols'"
        return
    for key in _NOT_IN_GROUPS:
        if job.get(key):
            yield (key,), "stands in the roles of a multinode job, not here"
    for path, block in blocks:
        if "role" not in block:
            yield path, "needs the key 'role' in a multinode job"


def _namespaces(blocks: list[_Block], count: int) -> Iterator[Finding]:
    without = [path for path, block in blocks if block.get("namespace") is None]
    if 0 < len(blocks) - len(without) < count:
        for path in without:
            yield path, "needs the key 'namespace', as other actions have one"


def _block(path: Path, block: dict[object, object], level: Level) -> Iterator[Finding]:
    common: dict[object, object] = {key: value for key, value in block.items() if key in _COMMON}
    yield from _of_model(BlockKeys, common, path, level)
    kind = str(path[-1])
    method = _method(kind, block)
    if isinstance(method, str):
        yield (*path, _NAMES[kind]) if _NAMES.get(kind, "") in block else path, method
    else:
        rest = {key: value for key, value in block.items() if not _is_common(kind, key)}
        yield from _of_model(method.parameters, rest, path, level)


def _is_common(kind: str, key: object) -> bool:
    return key in _COMMON or (kind in _NAMES and key == _NAMES[kind])


def _method(kind: str, block: Mapping[object, object]) -> Method | str:
    """Return the method that a block means, or why there is none."""
    name = _method_name(kind, block)
    if not isinstance(name, str) or not name:
        keys = _NAMES.get(kind) or " or ".join(_TESTS)
        return f"must name a method by the key {keys}"
    found = next((method for method in METHODS[kind] if method.name == name), None)
    if found is not None:
        return found
    known = ", ".join(method.name for method in METHODS[kind])
    return (
        _REMOVED if name == "lxc" else f"no {kind} method is called {name[:80]!r}; known: {known}"
    )


def _method_name(kind: str, block: Mapping[object, object]) -> object:
    if kind == "command":
        return kind
    if kind in _NAMES:
        return block.get(_NAMES[kind])
    found = next((test for test in _TESTS if test in block), "")
    return "docker" if found == "definitions" and "docker" in block else found


def _of_model(
    model: type[BaseModel], values: dict[object, object], path: Path, level: Level
) -> Iterator[Finding]:
    extra: Literal["forbid", "ignore"] = "forbid" if level is Level.STRICT else "ignore"
    try:
        model.model_validate(values, context=level, extra=extra)
    except ValidationError as error:
        for inner, message in model_errors.findings(error):
            yield (*path, *inner), message
