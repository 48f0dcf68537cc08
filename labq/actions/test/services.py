"""Test `services`: start containers beside the device by docker compose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from labq.actions.method import Method
from labq.actions.parameters import Parameters
from labq.actions.values import Flag, Level, Name, Text, TextTable, is_run, refusals
from labq.domain.plan import Queue, StepKind

_COMMON = ("name", "from", "repository", "path", "service")
KEYS: Mapping[str, tuple[str, ...]] = {
    "git": (*_COMMON, "branch", "history", "recursive", "revision"),
    "url": (*_COMMON, "compression", "headers"),
}
"""What may be said of a service, by where its file comes from."""


class Service(Parameters):
    """One compose file (`path` in `repository`); `service` names the one of it that is started."""

    source: Literal["git", "url"] = Field(alias="from")
    name: Name
    repository: Text
    path: Text
    service: Text = ""
    branch: Text = ""
    revision: Text = ""
    history: Flag = True
    recursive: Flag = False
    compression: Text = ""
    headers: TextTable = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _has_keys_of_its_source(cls, data: Any, info: ValidationInfo) -> Any:
        """Judge the keys as LAVA does: those of another kind of source are unknown."""
        if is_run(info) or not isinstance(data, dict):
            return data
        source = data.get("from")
        known = KEYS.get(source, ()) if isinstance(source, str) else ()
        odd = [key for key in data if key not in known] if known else []
        if odd and info.context is Level.STRICT:
            raise refusals(
                *(((str(key),), f"unknown key in a service from {source}") for key in odd)
            )
        return {key: data[key] for key in data if key not in odd}


class ServicesParameters(Parameters):
    """A test block with `services`."""

    services: list[Service]


METHOD = Method(
    name="services",
    action="lava-test-service-retry",
    parameters=ServicesParameters,
    kind=StepKind.TEST,
    queue=Queue.TEST,
)
