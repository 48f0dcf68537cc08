"""What a test block with `definitions` says, on the device and in a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationInfo,
    model_validator,
)

from labq.actions.overlay.definition_keys import DefinitionKeys
from labq.actions.parameters import Parameters
from labq.actions.values import (
    Flag,
    Index,
    Level,
    Maybe,
    Name,
    Text,
    TextTable,
    is_run,
    name_kind,
    refusals,
    refused,
)
from labq.domain.errors import Problem

_COMMON = ("repository", "from", "path", "name", "skip_install", "lava-signal", "expected")
_PARAMETERS = ("parameters", "params")
KEYS: Mapping[str, tuple[str, ...]] = {
    "git": (*_COMMON, *_PARAMETERS, "branch", "history", "recursive", "revision", "shallow"),
    "url": (*_COMMON, *_PARAMETERS, "compression", "headers", "strip-components"),
    "inline": _COMMON,
}
"""What may be said of a definition, by where it comes from."""


def _as_parameter(value: object) -> object:
    """Return a scalar as LAVA writes it into run.sh: a null is `None` there."""
    return str(value) if value is None or isinstance(value, bool | int | float) else value


def _parameters(value: object, info: ValidationInfo) -> object:
    if is_run(info) or not isinstance(value, dict):
        return value
    return {str(key): str(one) for key, one in value.items()}


def _repository(value: object, info: ValidationInfo) -> object:
    """Let the keys of an inline definition be judged by the precise check."""
    if is_run(info):
        return value
    if info.data.get("source") != "inline":
        if type(value) is not str:
            raise refused("must be a URL, not {kind}", kind=name_kind(value))
        return value
    extra: Literal["forbid", "ignore"] = "forbid" if info.context is Level.STRICT else "ignore"
    DefinitionKeys.model_validate(value, context=info.context, extra=extra)
    return {}


def _not_empty_in_runs(value: list[Definition], info: ValidationInfo) -> list[Definition]:
    if not value and is_run(info):
        raise refused("needs at least one definition")
    return value


Parameter = Annotated[str, BeforeValidator(_as_parameter)]
ParameterTable = Annotated[dict[str, Parameter], BeforeValidator(_parameters)]
SkipInstall = Literal["keys", "sources", "deps", "steps", "git-repos", "all"]


class Definition(Parameters):
    """One item of `definitions`."""

    source: Literal["git", "inline", "url"] = Field(alias="from")
    repository: Annotated[str | dict[str, object], BeforeValidator(_repository)]
    path: Text
    name: Name
    parameters: ParameterTable = Field(default_factory=dict)
    params: ParameterTable = Field(default_factory=dict)
    branch: Text = ""
    revision: Text = ""
    shallow: Maybe[Flag] = None
    history: Flag = True
    recursive: Flag = False
    strip_components: Index = Field(default=0, alias="strip-components")
    compression: Text = ""
    headers: TextTable = Field(default_factory=dict)
    skip_install: list[SkipInstall] = Field(default_factory=list)
    lava_signal: Literal["stdout", "kmsg"] = Field(default="stdout", alias="lava-signal")
    expected: Maybe[list[Text]] = None

    @property
    def values(self) -> dict[str, str]:
        """Return what both names of the parameters say."""
        return {**self.params, **self.parameters}

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
            text = f"unknown key in a definition from {source}"
            raise refusals(*(((str(key),), text) for key in odd))
        return {key: data[key] for key in data if key not in odd}


class DefinitionsParameters(Parameters):
    """A test block with `definitions`."""

    definitions: Annotated[list[Definition], AfterValidator(_not_empty_in_runs)]


def check(parameters: DefinitionsParameters, _device: Mapping[str, object]) -> list[Problem]:
    """Refuse reserved and doubled names."""
    problems = []
    names = [definition.name for definition in parameters.definitions]
    for index, name in enumerate(names):
        path = f"definitions[{index}].name"
        if name == "lava":
            problems.append(Problem(path=path, message="the name 'lava' is reserved"))
        if name in names[:index]:
            problems.append(Problem(path=path, message=f"the name {name!r} is used twice"))
    return problems
