"""What kind of value a parameter takes, in plain words, read from its annotation."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from labq.actions import values

Link = Callable[[type[BaseModel]], str]

_NOT_NULL = get_args(values.Maybe)[1]
"""What forbids the null of a key that may be absent."""
_KNOWN = (
    (values.TextList, "text or list of texts"),
    (values.Prompts, "text or list of texts"),
    (values.Name, "text of letters, digits, `-`, `_`, `.`"),
    (values.NonEmpty, "text, not empty"),
    (values.DockerImage, "name of a docker image"),
    (values.Timeout, "timeout, such as `{minutes: 5}`"),
    (values.Index, "number from 0"),
    (values.Positive, "number from 1"),
)
_PLAIN: dict[object, str] = {
    str: "text",
    bool: "true or false",
    int: "whole number",
    float: "number",
    object: "anything",
    type(None): "null",
}


def label(model: type[BaseModel]) -> str:
    """Return what a model is called in the reference: `TftpRamdisk` is `tftp ramdisk`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", model.__name__).lower()


def kind_of(field: FieldInfo, link: Link) -> str:
    """Return what a parameter takes; `link` names a model that is described elsewhere."""
    return _words(field.annotation, field.metadata, link)


def models_in(annotation: object) -> list[type[BaseModel]]:
    """Return the models that an annotation names, in their order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _words(annotation: object, metadata: Sequence[object], link: Link) -> str:
    if known := _known(metadata):
        return known
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _words(inner, more, link)
    if origin in (Union, types.UnionType):
        return _union(get_args(annotation), metadata, link)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (list, dict):
        return _collection(annotation, link)
    models = models_in(annotation)
    return link(models[0]) if models else _PLAIN[annotation]


def _known(metadata: Sequence[object]) -> str:
    """Return the words for a kind of value that its validators tell, empty for others."""
    kinds = ((get_args(kind)[1:], text) for kind, text in _KNOWN)
    return next((text for wanted, text in kinds if _ends_with(metadata, wanted)), "")


def _ends_with(metadata: Sequence[object], wanted: tuple[object, ...]) -> bool:
    return tuple(metadata[-len(wanted) :]) == wanted


def _union(parts: tuple[object, ...], metadata: Sequence[object], link: Link) -> str:
    """Name all forms; null is one of them unless the key may only be absent."""
    kept = [part for part in parts if part is not type(None) or _NOT_NULL not in metadata]
    return " or ".join(_words(part, (), link) for part in kept)


def _collection(annotation: object, link: Link) -> str:
    inner = _plural(_words(get_args(annotation)[-1], (), link))
    return f"list of {inner}" if get_origin(annotation) is list else f"mapping of names to {inner}"


def _plural(text: str) -> str:
    ending = "es" if "s](" in text else "s"
    return f"{text}s" if text == "text" else text.replace("](", f"{ending}](", 1)
