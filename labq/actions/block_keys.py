"""The keys that every block of a job understands, whatever its method."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from labq.actions.parameters import Parameters
from labq.actions.values import (
    Labelled,
    Maybe,
    Positive,
    Text,
    Timeout,
    is_run,
    number_from,
    refused,
)

RESERVED_NAMESPACES = ("common", "docker-test-shell")


def _not_reserved(value: str) -> str:
    if value in RESERVED_NAMESPACES:
        raise refused("the namespace {value} is reserved", value=repr(value))
    return value


def _roles(value: object, info: ValidationInfo) -> object:
    return [value] if isinstance(value, str) and is_run(info) else value


def _interval(value: object, info: ValidationInfo) -> object:
    return number_from(value, 0 if is_run(info) else 1)


class BlockKeys(Parameters):
    """The keys that every block of a job understands."""

    namespace: Maybe[Annotated[Text, AfterValidator(_not_reserved)]] = None
    connection_namespace: Text = Field(default="", alias="connection-namespace")
    protocols: object = None
    role: Annotated[list[Text], BeforeValidator(_roles)] = Field(default_factory=list)
    timeout: Timeout = None
    timeouts: Labelled[Timeout] = Field(default_factory=dict)
    repeat: Maybe[Positive] = None
    failure_retry: Maybe[Positive] = None
    failure_retry_interval: Annotated[float, BeforeValidator(_interval)] = 1.0
