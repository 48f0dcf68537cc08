"""Small checks that combine into a schema; each finds every problem, not only the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from labq.jobdef.source import Path

Finding = tuple[Path, str]
Check = Callable[[object, Path], Iterator[Finding]]


def anything(_value: object, _path: Path) -> Iterator[Finding]:
    """Accept every value."""
    return iter(())


def is_text(value: object) -> bool:
    """Return whether YAML has read the value as a string."""
    return type(value) is str


def text(minimum: int = 0, maximum: int | None = None, pattern: str = "") -> Check:
    """Accept a string of `minimum` to `maximum` characters that matches all of `pattern`."""

    def check(value: object, path: Path) -> Iterator[Finding]:
        if not isinstance(value, str) or not is_text(value):
            yield path, f"must be a string, not {name_type(value)}"
        elif len(value) < minimum or len(value) > (maximum or len(value)):
            yield path, f"must have {minimum} to {maximum or 'any number of'} characters"
        elif pattern and not re.fullmatch(pattern, value):
            yield path, f"{value[:80]!r} does not match {pattern}"

    return check


def integer(value: object, path: Path) -> Iterator[Finding]:
    """Accept an int; true and false are ints too, as they are for LAVA."""
    if not isinstance(value, int):
        yield path, f"must be an integer, not {name_type(value)}"


def boolean(value: object, path: Path) -> Iterator[Finding]:
    """Accept true and false."""
    if not isinstance(value, bool):
        yield path, f"must be true or false, not {name_type(value)}"


def any_mapping(value: object, path: Path) -> Iterator[Finding]:
    """Accept a mapping of whatever."""
    if not isinstance(value, dict):
        yield path, f"must be a mapping, not {name_type(value)}"


def any_list(value: object, path: Path) -> Iterator[Finding]:
    """Accept a list of whatever."""
    if not isinstance(value, list):
        yield path, f"must be a list, not {name_type(value)}"


def one_of(*literals: str | None) -> Check:
    """Accept one of these values."""

    def check(value: object, path: Path) -> Iterator[Finding]:
        if not any(value == literal and type(value) is type(literal) for literal in literals):
            known = ", ".join(str(literal) for literal in literals)
            yield path, f"{_short(value)} is none of: {known}"

    return check


def list_of(item: Check) -> Check:
    """Accept a list whose items all pass."""

    def check(value: object, path: Path) -> Iterator[Finding]:
        yield from any_list(value, path)
        if isinstance(value, list):
            for index, entry in enumerate(value):
                yield from item(entry, (*path, index))

    return check


def mapping_of(keys: Check, values: Check) -> Check:
    """Accept a mapping whose keys and values all pass."""

    def check(value: object, path: Path) -> Iterator[Finding]:
        yield from any_mapping(value, path)
        if isinstance(value, dict):
            for key, entry in value.items():
                yield from keys(key, (*path, key))
                yield from values(entry, (*path, key))

    return check


def record(
    required: Mapping[str, Check], optional: Mapping[str, Check], *, extra: bool = False
) -> Check:
    """Accept a mapping with these keys; others only when `extra`."""
    known = {**required, **optional}

    def check(value: object, path: Path) -> Iterator[Finding]:
        if not isinstance(value, dict):
            yield path, f"must be a mapping, not {name_type(value)}"
            return
        yield from ((path, f"needs the key {key!r}") for key in required if key not in value)
        for key, entry in value.items():
            if key in known:
                yield from known[key](entry, (*path, key))
            elif not extra:
                yield (*path, key), "unknown key"

    return check


def either(message: str, *checks: Check) -> Check:
    """Accept what one of `checks` accepts, else say `message`."""

    def check(value: object, path: Path) -> Iterator[Finding]:
        if not any(passes(one, value) for one in checks):
            yield path, f"{message}, not {name_type(value)}"

    return check


def every(*checks: Check) -> Check:
    """Accept what all of `checks` accept."""

    def check(value: object, path: Path) -> Iterator[Finding]:
        for one in checks:
            yield from one(value, path)

    return check


def exclusive(keys: Iterable[str]) -> Check:
    """Accept a mapping with at most one of `keys`; other types pass, for another check to judge."""
    group = tuple(keys)

    def check(value: object, path: Path) -> Iterator[Finding]:
        present = [key for key in group if isinstance(value, dict) and key in value]
        if len(present) > 1:
            yield path, f"only one of {', '.join(present)} may stand here"

    return check


def passes(check: Check, value: object) -> bool:
    """Return whether `check` finds nothing."""
    return next(check(value, ()), None) is None


_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (dict, "a mapping"),
    (list, "a list"),
)


def name_type(value: object) -> str:
    """Return what YAML calls the value's type."""
    if value is None:
        return "null"
    if is_text(value):
        return "a string"
    found = (name for kind, name in _TYPE_NAMES if isinstance(value, kind))
    return next(found, "a time stamp or a number out of range")


def _short(value: object) -> str:
    return repr(value)[:80] if isinstance(value, str | int | float) else name_type(value)
