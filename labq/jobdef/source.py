"""YAML text from strangers -> plain values with line numbers, bounded in size, depth and count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any  # PyYAML's events have no types

import yaml
from yaml.constructor import SafeConstructor

from labq.domain.errors import InvalidInputError, Problem

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 50_000
MAX_BITS = 64

Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_STRING = _TAG + "str"
_SCALARS = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "timestamp", "str"))
_UNTAGGED = (None, "!")
_MALFORMED = (yaml.YAMLError, ValueError, LookupError, AttributeError, OverflowError)


class OddText(str):
    """The text of a scalar that YAML reads as what JSON has not.

    That is a time stamp, a float that is not finite, or an integer of more than MAX_BITS.
    """

    __slots__ = ()


def describe_path(path: Path) -> str:
    """Return `actions[0].deploy.to` for ("actions", 0, "deploy", "to")."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed text. Containers that aliases share are shared in `value` too: do not change it."""

    value: object
    lines: dict[int, dict[object, int]] = field(repr=False)

    def line(self, path: Path) -> int | None:
        """Return the line of the deepest part of `path` that exists, None for an empty text."""
        value, line = self.value, 1 if self.lines else None
        for part in path:
            found = self.lines.get(id(value), {}).get(part)
            if found is None:
                break
            line = found
            value = value[part]  # type: ignore[index]  # the lines say that it is a container
        return line

    def problem(self, path: Path, message: str) -> Problem:
        """Return `message` with the place of `path`."""
        return Problem(path=describe_path(path), message=message, line=self.line(path))


def read(text: bytes | str) -> Document:
    """Parse one YAML document.

    Of doubled keys the last one wins. Raises InvalidInputError for what is not YAML, not UTF-8,
    larger than MAX_BYTES, deeper than MAX_DEPTH, or of more than MAX_NODES values once aliases
    are counted where they stand.
    """
    loader = yaml.CSafeLoader(_decode(text))
    builder = _Builder(loader)
    try:
        for event in _events(loader):
            builder.take(event)
    except yaml.YAMLError as error:
        raise _refusal(*_explain(error)) from error
    finally:
        loader.dispose()
    return Document(value=builder.root, lines=builder.lines)


def _decode(text: bytes | str) -> str:
    if len(text) > MAX_BYTES:
        raise _refusal(f"larger than {MAX_BYTES} bytes")
    data = _encode(text) if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        raise _refusal(f"larger than {MAX_BYTES} bytes")
    nul = data.find(b"\0")
    if nul >= 0:
        raise _refusal("contains a NUL byte", data.count(b"\n", 0, nul) + 1)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _refusal(f"not UTF-8: byte 0x{data[error.start]:02x}", line) from error


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise _refusal("contains half of a surrogate pair", line) from error


def _refusal(message: str, line: int | None = None) -> InvalidInputError:
    return InvalidInputError([Problem(path="", message=message, line=line)])


def _explain(error: yaml.YAMLError) -> tuple[str, int | None]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    reason = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return f"not YAML: {reason}", mark.line + 1 if mark else None


def _events(loader: yaml.CSafeLoader) -> Iterator[Any]:
    while loader.check_event():
        yield loader.get_event()


@dataclass(slots=True)
class _Frame:
    """A container that is being filled."""

    container: dict[object, object] | list[object]
    lines: dict[object, int]
    anchor: str | None
    started: int
    key: object = None
    has_key: bool = False
    is_merge: bool = False
    merges: list[tuple[object, int]] = field(default_factory=list)


class _Builder:
    """Builds values from parser events without recursion."""

    def __init__(self, loader: yaml.CSafeLoader) -> None:
        self.root: object = None
        self.lines: dict[int, dict[object, int]] = {}
        self._loader = loader
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[object, int]] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.SequenceStartEvent():
                self._open([], event, "seq")
            case yaml.MappingStartEvent():
                self._open({}, event, "map")
            case yaml.CollectionEndEvent():
                self._close()
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent():
                self._start_document(_line(event))
            case _:
                pass

    def _start_document(self, line: int) -> None:
        self._documents += 1
        if self._documents > 1:
            raise _refusal("holds more than one document", line)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _refusal(f"holds more than {MAX_NODES} values", line)

    def _open(self, container: dict[object, object] | list[object], event: Any, kind: str) -> None:
        line = _line(event)
        if event.tag not in (*_UNTAGGED, _TAG + kind):
            raise _refusal(f"the tag {event.tag!r} is not allowed", line)
        if len(self._stack) >= MAX_DEPTH:
            raise _refusal(f"nested deeper than {MAX_DEPTH} levels", line)
        if self._stack and self._expects_key():
            raise _refusal("a key must be a single value", line)
        self._count(1, line)
        lines: dict[object, int] = {}
        self.lines[id(container)] = lines
        self._place(container, line)
        if event.anchor:
            self._anchors.pop(event.anchor, None)
        self._stack.append(_Frame(container, lines, event.anchor, self._nodes))

    def _expects_key(self) -> bool:
        top = self._stack[-1]
        return isinstance(top.container, dict) and not top.has_key

    def _close(self) -> None:
        frame = self._stack.pop()
        if frame.merges and isinstance(frame.container, dict):
            self._merge(frame.container, frame)
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.container, self._nodes - frame.started + 1)

    def _merge(self, container: dict[object, object], frame: _Frame) -> None:
        own, own_lines = dict(container), dict(frame.lines)
        container.clear()
        for value, line in frame.merges:  # a list was still empty when its line was noted
            for source in _sources(value, line):
                container.update(source)
                frame.lines.update(self.lines[id(source)])
        container.update(own)
        frame.lines.update(own_lines)

    def _alias(self, event: Any) -> None:
        line = _line(event)
        if event.anchor not in self._anchors:
            raise _refusal(f"the alias {event.anchor!r} has no anchor before it", line)
        value, nodes = self._anchors[event.anchor]
        if self._stack and self._expects_key() and isinstance(value, dict | list):
            raise _refusal("a key must be a single value", line)
        self._count(nodes, line)
        self._place(value, line)

    def _scalar(self, event: Any) -> None:
        line = _line(event)
        self._count(1, line)
        if "\0" in event.value:
            raise _refusal("contains a NUL character", line)
        tag = event.tag
        if tag in _UNTAGGED:
            tag = self._resolve(event)
        if tag == _MERGE and self._stack and self._expects_key():
            self._stack[-1].has_key = self._stack[-1].is_merge = True
            return
        value = event.value if tag == _STRING else self._construct(tag, event, line)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._place(value, line)

    def _resolve(self, event: Any) -> str:
        resolve: Callable[..., str] = self._loader.resolve
        return resolve(yaml.ScalarNode, event.value, event.implicit)

    def _construct(self, tag: str, event: Any, line: int) -> object:
        if tag not in _SCALARS:
            raise _refusal(f"the tag {tag!r} is not allowed", line)
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        try:
            value = SafeConstructor.yaml_constructors[tag](self._loader, node)
        except _MALFORMED as error:
            name = tag.removeprefix(_TAG)
            raise _refusal(f"{event.value[:80]!r} is not a valid {name}", line) from error
        return OddText(event.value) if _is_odd(value) else value

    def _place(self, value: object, line: int) -> None:
        if not self._stack:
            self.root = value
            return
        top = self._stack[-1]
        if isinstance(top.container, list):
            top.lines[len(top.container)] = line
            top.container.append(value)
        elif not top.has_key:
            top.key, top.has_key = value, True
            top.lines[value] = line
        else:
            self._place_value(top, top.container, value, line)

    def _place_value(
        self, top: _Frame, container: dict[object, object], value: object, line: int
    ) -> None:
        top.has_key = False
        if not top.is_merge:
            container[top.key] = value
            return
        top.is_merge = False
        top.merges.append((value, line))


def _sources(value: object, line: int) -> list[dict[object, object]]:
    """Return what a merge key merges, the mapping that wins last."""
    values = value if isinstance(value, list) else [value]
    mappings = [source for source in reversed(values) if isinstance(source, dict)]
    if len(mappings) < len(values):
        raise _refusal("'<<' merges mappings only", line)
    return mappings


def _is_odd(value: object) -> bool:
    match value:
        case float():
            return not math.isfinite(value)
        case int():
            return value.bit_length() > MAX_BITS
        case _:
            return isinstance(value, date)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1
