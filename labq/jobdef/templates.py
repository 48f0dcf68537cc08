"""Renders device templates in a sandbox: bounded loops, calls and output; errors with file and line.

Device files are written by lab admins; a job brings only values (its context), never a template.
"""

from __future__ import annotations

import re
import shlex
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, wraps
from pathlib import Path
from time import thread_time
from typing import Any

import yaml
from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    FunctionLoader,
    PrefixLoader,
    Template,
    nodes,
)
from jinja2.exceptions import SecurityError, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer
from typing_extensions import override

from labq.domain.errors import ConfigurationError, Problem
from labq.jobdef.source import MAX_BYTES

TYPES_FOLDER = Path(__file__).parent / "device_types"
"""labq's own templates; also reachable as `labq/<name>`, past a site's template of that name."""

ENDING = ".jinja2"
MAX_SECONDS = 2.0
MAX_TURNS = 100_000
MAX_FACTOR = 10_000
MAX_TEXT = 64 * 1024

_GROWING_FILTERS = ("batch", "center", "format", "indent", "slice", "wordwrap")
_WIDE = re.compile(r"%(\([^)]*\))?[^%a-zA-Z]*(\d{5}|\*)")
_TEMPLATE_FAULTS = (
    TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class InvalidDeviceError(ConfigurationError):
    """A device file does not render, or not to a device dictionary; all problems at once."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.problems = problems
        text = "; ".join(problem.describe() for problem in problems)
        super().__init__(f"device {name}: {text}")


@dataclass(frozen=True, slots=True)
class Library:
    """The templates of a site: stored ones (name without its ending, text), then folders in order.

    labq's own come after them, so that a site may have a `qemu.jinja2` of its own.
    """

    folders: tuple[Path, ...] = ()
    stored: tuple[tuple[str, str], ...] = ()


def render(text: str, *, name: str, variables: Mapping[str, object], library: Library) -> str:
    """Return the rendered text of the device file `name`.

    Templates that it extends are looked for in `library`, then in labq's own folder. Raises
    InvalidDeviceError for a template that is wrong, unsafe, or runs too long.
    """
    environment = _environment(library)
    token = _BUDGET.set(_Budget())
    try:
        template = environment.from_string(text)
        return _collect(template, variables)
    except _TEMPLATE_FAULTS as error:
        raise InvalidDeviceError(name, [_locate(error, name)]) from error
    finally:
        _BUDGET.reset(token)


class _Budget:
    """What one rendering may still spend."""

    def __init__(self) -> None:
        self.turns = MAX_TURNS
        self.until = thread_time() + MAX_SECONDS

    def spend(self) -> None:
        self.turns -= 1
        if self.turns < 0 or thread_time() > self.until:
            message = f"more than {MAX_TURNS} loop turns and calls, or {MAX_SECONDS} s of computing"
            raise SecurityError(message)


_BUDGET: ContextVar[_Budget] = ContextVar("budget")


def _collect(template: Template, variables: Mapping[str, object]) -> str:
    parts: list[str] = []
    size = 0
    for part in template.generate(variables):
        size += len(part)
        if size > MAX_BYTES:
            raise SecurityError(f"renders to more than {MAX_BYTES} characters")
        parts.append(part)
    return "".join(parts)


class _DeviceEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox that counts loop turns and calls, and refuses to blow values up."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    @override
    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Bounded().visit(super()._parse(source, name, filename))
        return tree

    @override
    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        _BUDGET.get().spend()
        if isinstance(getattr(obj, "__self__", None), str):
            _refuse_growth(*args, *kwargs.values())
        return super().call(context, obj, *args, **kwargs)

    @override
    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        _BUDGET.get().spend()
        match operator:
            case "%":
                _refuse_widths(left)
            case "+" if _weight(left) + _weight(right) > MAX_TEXT and not _is_number(left):
                raise SecurityError(f"operands of + over {MAX_TEXT}")
            case "*":
                _refuse_growth(left, right)
            case "**":
                _refuse_growth(left, right * 100)
            case _:
                pass
        return super().call_binop(context, operator, left, right)


def _refuse_growth(*values: object) -> None:
    if any(_weight(value) > MAX_FACTOR for value in values):
        raise SecurityError(f"operand over {MAX_FACTOR}")


def _refuse_widths(pattern: object) -> None:
    if isinstance(pattern, str) and _WIDE.search(pattern):
        raise SecurityError("a width of more than 4 digits")


def _bounded(grow: Callable[..., object]) -> Callable[..., object]:
    @wraps(grow)
    def call(*args: object, **kwargs: object) -> object:
        _refuse_widths(args[0])
        _refuse_growth(*args[1:], *kwargs.values())
        return grow(*args, **kwargs)

    return call


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _weight(value: object) -> float:
    if isinstance(value, int | float):
        return abs(value)
    return len(value) if isinstance(value, str | list | tuple) else 0


class _Bounded(NodeTransformer):
    """Puts a filter that counts around the values of loops, and one that measures around `~`."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  # jinja2 calls it by the node
        self.generic_visit(node)
        node.iter = _filtered(node.iter, _COUNTED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  # as above
        self.generic_visit(node)
        return _filtered(node, _MEASURED)


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


_COUNTED = "counted turns"
_MEASURED = "measured text"


def _counted(values: Iterable[object]) -> Iterator[object]:
    budget = _BUDGET.get()
    for value in values:
        budget.spend()
        yield value


def _measured(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise SecurityError(f"joined text over {MAX_TEXT}")
    return text


def _loaders(library: Library) -> Iterator[BaseLoader]:
    stored = {f"{name}{ENDING}": text for name, text in library.stored}
    yield FunctionLoader(lambda name: (stored[name], name, None) if name in stored else None)
    yield from (FileSystemLoader(folder) for folder in library.folders)
    own = FileSystemLoader(TYPES_FOLDER)
    yield own
    yield PrefixLoader({"labq": own})


@lru_cache(maxsize=8)
def _environment(library: Library) -> _DeviceEnvironment:
    environment = _DeviceEnvironment(
        loader=ChoiceLoader(list(_loaders(library))),
        trim_blocks=True,
        autoescape=False,  # YAML, not HTML
    )
    environment.globals.pop("lipsum")
    for name in _GROWING_FILTERS:
        environment.filters[name] = _bounded(environment.filters[name])
    environment.filters.update(_FILTERS)
    return environment


def _shell_quote(value: object) -> str:
    return shlex.quote(str(value))


def _yaml_quote(value: object) -> str:
    return yaml.safe_dump(
        value, default_flow_style=True, width=float("inf"), default_style='"'
    ).rstrip("\n")


def _guest_interface(architecture: object, chosen: object = None) -> str:
    """Return what `-drive if=` understands: only PC machines have an IDE controller."""
    is_pc = str(architecture or "amd64").lower() in ("amd64", "x86_64", "i386")
    return str(chosen or ("ide" if is_pc else "virtio"))


_FILTERS: dict[str, Callable[..., object]] = {
    _COUNTED: _counted,
    _MEASURED: _measured,
    "shlex_quote": _shell_quote,
    "yaml_quote": _yaml_quote,
    "qemu_guest_fs_interface": _guest_interface,
}


def _locate(error: BaseException, name: str) -> Problem:
    if isinstance(error, TemplateSyntaxError):
        return Problem(path=error.name or name, line=error.lineno, message=error.message or "wrong")
    if isinstance(error, TemplateNotFound):
        missing = ", ".join(getattr(error, "templates", None) or [str(error.name)])
        return Problem(path=name, line=_template_line(error)[1], message=f"no template {missing}")
    file, line = _template_line(error)
    return Problem(path=file or name, line=line, message=str(error) or type(error).__name__)


def _template_line(error: BaseException) -> tuple[str, int | None]:
    """Return the template and line where `error` arose, from the traceback that jinja2 rewrites."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == "<template>":
            return "", frame.lineno
        if frame.filename.endswith(ENDING):
            return Path(frame.filename).name, frame.lineno
    return "", None
