"""Kinds of values in parameter models.

Three callers validate with them. A run asks with no context: it takes what LAVA's worker would take.
The precise check asks with a Level as context: then a value must be of exactly the kind that LAVA's
precise schema names, so that verdicts are equal.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

Value = TypeVar("Value")


class Level(StrEnum):
    """How precisely a definition is checked: LAX ignores unknown keys, STRICT refuses them."""

    LAX = "lax"
    STRICT = "strict"


def is_run(info: ValidationInfo) -> bool:
    """Return whether a run asks, not the precise check."""
    return info.context is None


def refused(message: str, **facts: object) -> PydanticCustomError:
    """Return the error that says `message`; `{name}` in it is replaced by a fact."""
    return PydanticCustomError("refused", message, facts)


def refusals(*errors: tuple[tuple[str | int, ...], str]) -> ValidationError:
    """Return several errors, each with its path below the value that is validated."""
    details = [InitErrorDetails(type=refused(text), loc=loc, input=None) for loc, text in errors]
    return ValidationError.from_exception_data("refused", details)


def name_kind(value: object) -> str:
    """Return what YAML calls the value's kind."""
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string"}
    names |= {dict: "a mapping", list: "a list"}
    return names.get(type(value), "a time stamp or a number out of range")


def text(value: object, info: ValidationInfo) -> object:
    """Return a string as it is; a run also takes the text of a number or boolean."""
    if type(value) is str:
        return value
    if is_run(info) and isinstance(value, bool | int | float):
        return str(value)
    raise refused("must be a string, not {kind}", kind=name_kind(value))


Text = Annotated[str, BeforeValidator(text)]


def _not_empty(value: str) -> str:
    if not value:
        raise refused("must not be empty")
    return value


NonEmpty = Annotated[Text, AfterValidator(_not_empty)]


_NAME = re.compile(r"[-_a-zA-Z0-9.]+")


def _name(value: str, info: ValidationInfo) -> str:
    # The end of a pattern is for LAVA also in front of a last line break.
    judged = value if is_run(info) else value.removesuffix("\n")
    if not _NAME.fullmatch(judged):
        text = "{value} may have letters, digits, '-', '_' and '.' only"
        raise refused(text, value=repr(value[:80]))
    return value


Name = Annotated[Text, AfterValidator(_name)]
"""The name of a definition, monitor or script, which becomes a part of paths and URLs."""


def _flag(value: object, info: ValidationInfo) -> object:
    if type(value) is not bool and not is_run(info):
        raise refused("must be true or false, not {kind}", kind=name_kind(value))
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]


def integer(value: object, info: ValidationInfo) -> object:
    """Return an integer as it is; true and false are integers too, as they are for LAVA."""
    if not isinstance(value, int) and not is_run(info):
        raise refused("must be an integer, not {kind}", kind=name_kind(value))
    return value


Integer = Annotated[int, BeforeValidator(integer)]


def number_from(value: object, minimum: int) -> int | float:
    """Return a number of at least `minimum`; fractions and booleans are numbers for LAVA."""
    if not isinstance(value, int | float):
        raise refused("must be a number, not {kind}", kind=name_kind(value))
    if not value >= minimum:
        raise refused("must be at least {minimum}", minimum=minimum)
    return value


def _positive(value: object) -> int:
    return math.floor(number_from(value, 1))


def _index(value: object) -> int:
    return math.floor(number_from(value, 0))


Positive = Annotated[int, BeforeValidator(_positive)]
Index = Annotated[int, BeforeValidator(_index)]
"""A number from 0 on; of fractions the whole part counts."""


def _given(value: object) -> object:
    if value is None:
        raise refused("must not be null")
    return value


Maybe = Annotated[Value | None, BeforeValidator(_given)]
"""A key that may be absent but has no null."""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


TextList = Annotated[list[Text], BeforeValidator(_as_list)]
"""A string or a list of strings."""
Prompts = Annotated[list[NonEmpty], BeforeValidator(_as_list)]


def labelled(value: object, info: ValidationInfo) -> object:
    """Return a mapping without the keys that are no strings; a strict check refuses them."""
    if is_run(info) or not isinstance(value, dict) or all(type(key) is str for key in value):
        return value
    if info.context is Level.LAX:
        return {key: entry for key, entry in value.items() if type(key) is str}
    odd = [key for key in value if type(key) is not str]
    raise refusals(*(((str(key),), "a key must be a string") for key in odd))


Labelled = Annotated[dict[str, Value], BeforeValidator(labelled)]
"""A mapping from labels; a lax check ignores keys that are no strings."""


def textual_keys(value: object) -> object:
    """Return a mapping whose keys are texts, whatever YAML took them for."""
    return {str(key): entry for key, entry in value.items()} if isinstance(value, dict) else value


Table = Annotated[dict[str, object], BeforeValidator(textual_keys)]
"""A mapping of whatever."""


def _texts(value: object) -> object:
    return {str(key): str(one) for key, one in value.items()} if isinstance(value, dict) else value


TextTable = Annotated[dict[str, str], BeforeValidator(_texts)]
"""A mapping of whatever, as texts."""


_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:-]*[a-z0-9]")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]*")


def docker_image(value: str) -> str:
    """Return the name of a docker image; raises the error of a value when it is none."""
    image = value.removesuffix("\n")
    name, colon, tag = image.rpartition(":")
    if _IMAGE.fullmatch(image) or (colon and _IMAGE.fullmatch(name) and _TAG.fullmatch(tag)):
        return image
    raise refused("{value} is no name of a docker image", value=repr(value[:80]))


DockerImage = Annotated[Text, AfterValidator(docker_image)]
TIMEOUT_UNITS = ("days", "hours", "minutes", "seconds")


def _timeout(value: object, info: ValidationInfo) -> object:
    if info.context is None:
        return value
    problem = timeout_problem(value, Level(info.context))
    if problem:
        raise refused("{problem}", problem=problem)
    return value


def timeout_problem(value: object, level: Level) -> str:
    """Return what the precise check finds wrong with one timeout, empty when nothing is."""
    if not isinstance(value, dict):
        return f"must be a mapping such as {{minutes: 5}}, not {name_kind(value)}"
    if "skip" in value and type(value["skip"]) is not bool:
        return "'skip' must be true or false"
    units = [unit for unit in TIMEOUT_UNITS if unit in value]
    good = [unit for unit in units if _is_duration(value[unit])]
    if not units:
        return f"needs one of the keys: {', '.join(TIMEOUT_UNITS)}"
    if not good:
        return f"'{units[0]}' must be a number of at least 1"
    if level is Level.STRICT and len(value) > 1 + ("skip" in value):
        return f"must have one of {', '.join(TIMEOUT_UNITS)}, nothing else but 'skip'"
    return ""


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and value >= 1


Timeout = Annotated[object, BeforeValidator(_timeout)]
"""One timeout; a run takes any value here, its plan has read it."""


def _text_or_list(value: object, info: ValidationInfo) -> object:
    if isinstance(value, list):
        odd = [place for place, one in enumerate(value) if _refuses(one, info)]
        if odd:
            raise refusals(*(((place,), "must be a string") for place in odd))
        return [str(one) for one in value]
    if type(value) is not str:
        raise refused("must be a string or a list of strings, not {kind}", kind=name_kind(value))
    return value


def _refuses(value: object, info: ValidationInfo) -> bool:
    return type(value) is not str and not (is_run(info) and isinstance(value, int | float))


Commands = Annotated[str | list[str], BeforeValidator(_text_or_list)]
"""The name of a set of commands, or the commands."""
