"""Names of stored tokens in a definition, replaced by what they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from labq.jobdef.spec import JobSpec

HEADERS = "headers"
"""Mappings of this name in actions hold what is sent with a download or the clone of a test."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A definition with the values in it; `values` are those that were put in."""

    spec: JobSpec
    values: tuple[str, ...]


def fill(spec: JobSpec, look_up: Callable[[str], str | None]) -> Filled:
    """Replace values of `secrets` and of headers that equal the name of a stored token."""
    used: list[str] = []

    def value_of(text: object) -> object:
        found = look_up(text) if isinstance(text, str) else None
        if found is None:
            return text
        used.append(found)
        return found

    secrets = {name: str(value_of(text)) for name, text in spec.secrets.items()}
    actions = tuple(
        replace(block, parameters=_filled(block.parameters, value_of)) for block in spec.actions
    )
    if not used:
        return Filled(spec, ())
    return Filled(replace(spec, secrets=secrets, actions=actions), tuple(dict.fromkeys(used)))


def _filled(
    parameters: Mapping[str, object], value_of: Callable[[object], object]
) -> dict[str, object]:
    return {name: _value(name, value, value_of) for name, value in parameters.items()}


def _value(name: str, value: object, value_of: Callable[[object], object]) -> object:
    if isinstance(value, Mapping):
        if name == HEADERS:
            return {key: value_of(text) for key, text in value.items()}
        return _filled(value, value_of)
    if isinstance(value, (list, tuple)):
        return [_value("", item, value_of) for item in value]
    return value
