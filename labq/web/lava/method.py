"""What a method of the XML-RPC surface is: a name, a function, who may call it and what it takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from xmlrpc.client import Fault

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from labq.services.paging import LARGEST_ID
from labq.web.endpoint import Level
from labq.web.lava.wire import BAD_ARGUMENTS

_STRICT = ConfigDict(strict=True)
_WORDS = {
    int: "int",
    str: "string",
    bool: "boolean",
    list: "array",
    dict: "struct",
    NoneType: "nil",
}


def _text(value: object) -> object:
    """Return text for text, and for the bytes of a text."""
    found = value.decode() if isinstance(value, bytes) else value
    if isinstance(found, str) and "\0" in found:
        message = "has a NUL character"
        raise ValueError(message)
    return found


def _flag(value: object) -> object:
    """Return true and false for 1 and 0, which some clients send."""
    return bool(value) if isinstance(value, int) and value in {0, 1} else value


Text = Annotated[str, BeforeValidator(_text)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Int = Annotated[int, Field(ge=-LARGEST_ID - 1, le=LARGEST_ID)]
JobId = Int | Text
"""A job as LAVA's clients name it: a number, the same as text, or `N.M` in a group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method. `run` gets the call and the arguments by position; its docstring is the help.

    `returns` is XML-RPC's word for its value. `is_change`: it writes more than when it was asked.
    """

    name: str
    run: Callable[..., object]
    returns: str
    level: Level = Level.ANONYMOUS
    is_change: bool = False


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    annotation: Any
    default: object
    is_required: bool


def bind(method: Method, values: tuple[object, ...]) -> list[object]:
    """Return the arguments of a call, each of its type; raises Fault."""
    parameters = _parameters(method.run)
    least = sum(parameter.is_required for parameter in parameters)
    if not least <= len(values) <= len(parameters):
        message = f"{usage(method)} takes {_span(least, len(parameters))}, {len(values)} given"
        raise Fault(BAD_ARGUMENTS, message)
    return [
        _checked(method, parameter, value)
        for parameter, value in zip(parameters, values, strict=False)
    ]


def usage(method: Method) -> str:
    """Return how a method is called: `scheduler.jobs.logs(job_id, start=0, end=None)`."""
    shown = (
        parameter.name if parameter.is_required else f"{parameter.name}={parameter.default!r}"
        for parameter in _parameters(method.run)
    )
    return f"{method.name}({', '.join(shown)})"


def help_of(method: Method) -> str:
    """Return what a method does, below how it is called."""
    return f"{usage(method)}\n\n{inspect.getdoc(method.run) or ''}"


def signatures(method: Method) -> list[list[str]]:
    """Return what it returns and takes, once for each number of arguments it takes."""
    parameters = _parameters(method.run)
    words = [_word(parameter.annotation) for parameter in parameters]
    least = sum(parameter.is_required for parameter in parameters)
    return [[method.returns, *words[:count]] for count in range(least, len(words) + 1)]


@cache
def _parameters(run: Callable[..., object]) -> tuple[_Parameter, ...]:
    """Return the parameters of a method's function, behind the call."""
    hints = get_type_hints(run, include_extras=True)
    _, *rest = inspect.signature(run).parameters.values()
    return tuple(
        _Parameter(
            name=one.name,
            annotation=hints[one.name],
            default=one.default,
            is_required=one.default is inspect.Parameter.empty,
        )
        for one in rest
    )


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation, config=_STRICT)


def _checked(method: Method, parameter: _Parameter, value: object) -> object:
    try:
        found: object = _adapter(parameter.annotation).validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_url=False)[-1]["msg"].removeprefix("Value error, ")
        message = (
            f"{method.name}: {parameter.name} must be {_word(parameter.annotation)}, "
            f"got {_word(type(value))}: {reason}"
        )
        raise Fault(BAD_ARGUMENTS, message) from error
    return found


def _word(annotation: Any) -> str:
    """Return XML-RPC's word for a type; of several the last that is not nil."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _word(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return [_word(one) for one in get_args(annotation) if one is not NoneType][-1]
    return _WORDS.get(origin or annotation, getattr(annotation, "__name__", "value"))


def _span(least: int, most: int) -> str:
    if least == most:
        return f"{most} argument{'' if most == 1 else 's'}"
    return f"{least} to {most} arguments"
