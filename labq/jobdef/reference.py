"""The reference of all actions and their parameters, as Markdown made from the models."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from labq.actions import boot, command, deploy, parameters, test
from labq.actions.block_keys import BlockKeys
from labq.actions.method import Method
from labq.jobdef.blocks import METHODS
from labq.jobdef.parameter_words import MEANINGS
from labq.jobdef.value_words import kind_of, label, models_in

Model = type[BaseModel]
Row = tuple[str, FieldInfo, str]
"""What a parameter is called, its field, what it means."""

SHARED = parameters.__name__
PACKAGES: Mapping[str, tuple[ModuleType, ...]] = {
    "deploy": tuple(one for one in vars(deploy).values() if isinstance(one, ModuleType)),
    "boot": tuple(one for one in vars(boot).values() if isinstance(one, ModuleType)),
    "test": tuple(one for one in vars(test).values() if isinstance(one, ModuleType)),
    "command": (command,),
}
NOTE = "<!-- Made by `labq job reference docs/reference`. Do not edit. -->"
HEAD = ("| parameter | value | default | meaning |", "|---|---|---|---|")
_BLOCK_OF = re.compile(r"^(The block of|A test block with) ((`[^`]*`)(, | and )?)+[.;:]?\s*")


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file."""
    made = {f"{kind}.md": _page(kind, methods) for kind, methods in METHODS.items()}
    return {"README.md": _index(), **made, "parts.md": _parts()}


def _index() -> str:
    lines = ["# Actions of a job", "", NOTE, ""]
    lines += ["What a block of `actions` can say. All of LAVA's methods are known and checked;", ""]
    lines[-1:] = ["the last column says which of them labq runs.", ""]
    lines += ["| action | method | what it does | runs |", "|---|---|---|---|"]
    for kind, methods in METHODS.items():
        for method in methods:
            link = f"[`{method.name}`]({kind}.md#{_anchor(method.name)})"
            runs = "yes" if method.run else "no"
            lines.append(f"| {kind} | {link} | {_cell(_purpose(kind, method))} | {runs} |")
    lines += ["", "## Keys of every block", "", *_table(row for _, row in _named(BlockKeys))]
    return _text(lines)


def _page(kind: str, methods: Iterable[Method]) -> str:
    shared: dict[str, Row] = {}
    sections: list[str] = []
    for method in methods:
        sections += _section(kind, method, shared)
    lines = [f"# Action `{kind}`", "", NOTE, ""]
    lines += ["Keys that every block understands: [README.md](README.md#keys-of-every-block).", ""]
    if shared:
        lines += ["## Shared parameters", "", "Each method names those that it has.", ""]
        lines += [*_table(shared[key] for key in sorted(shared)), ""]
    return _text(lines + sections)


def _section(kind: str, method: Method, shared: dict[str, Row]) -> list[str]:
    """Return what is said of one method; what it shares with others is put into `shared`."""
    model = method.parameters
    own = [row for name, row in _named(model) if not _is_shared(model, name)]
    others = {row[0]: row for name, row in _named(model) if _is_shared(model, name)}
    shared |= others
    lines = [f"## `{method.name}`", "", _purpose(kind, method), "", _driven(method), ""]
    lines += _notes(model)
    if own:
        lines += [*_table(own), ""]
    if others:
        names = ", ".join(f"`{name}`" for name in others)
        lines += [f"[Shared](#shared-parameters): {names}.", ""]
    return lines


def _purpose(kind: str, method: Method) -> str:
    """Return the first sentence of the method's module, without its name."""
    modules = PACKAGES[kind]
    module = next(one for one in modules if getattr(one, "METHOD", None) is method)
    sentence = (module.__doc__ or "").split("\n\n")[0].partition(": ")[2]
    return _capital(" ".join(sentence.split()))


def _driven(method: Method) -> str:
    if method.run is None:
        return (
            "labq knows and checks it, and does not run it: a job that uses it ends when it starts."
        )
    before = "; files are fetched before, in the queue `download`" if method.download else ""
    name = f" Its time-out goes by the name `{method.action}`." if method.action else ""
    return f"labq runs it in the queue `{method.queue.value}`{before}.{name}"


def _notes(model: Model) -> list[str]:
    """Return the paragraphs of the model's own words beyond which block it is of."""
    found = inspect.cleandoc(vars(model).get("__doc__") or "")
    text = _BLOCK_OF.sub("", found)
    paragraphs = [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]
    return [line for one in paragraphs for line in (_capital(one), "")]


def _named(model: Model) -> list[tuple[str, Row]]:
    """Return the parameters of a model by the names of their fields."""
    return [(name, _row(model, name, field)) for name, field in model.model_fields.items()]


def _row(model: Model, name: str, field: FieldInfo) -> Row:
    key = field.alias or name
    owners = (f"{one.__name__}.{key}" for one in model.__mro__)
    words = (MEANINGS[one] for one in (*owners, key) if one in MEANINGS)
    return key, field, field.description or next(words, "")


def _is_shared(model: Model, name: str) -> bool:
    owner = _owner(model, name)
    return owner is not model and owner.__module__ == SHARED


def _owner(model: Model, name: str) -> type:
    return next(one for one in model.__mro__ if name in vars(one).get("__annotations__", ()))


def _parts() -> str:
    """Describe the mappings that are values of parameters, each one once."""
    lines = ["# Values that are mappings", "", NOTE, ""]
    found = _nested()
    for model in sorted(found, key=label):
        lines += [f"## {_capital(label(model))}", ""]
        lines += _notes(model)
        lines += _part(model, found)
    return _text(lines)


def _part(model: Model, known: Iterable[Model]) -> list[str]:
    """Return the keys of a mapping; those of a described one that it extends are there."""
    base = next((one for one in model.__mro__[1:] if one in known), None)
    taken = base.model_fields if base is not None and issubclass(base, BaseModel) else {}
    rows = [row for name, row in _named(model) if name not in taken or _owner(model, name) is model]
    lines = [*_table(rows), ""] if rows else []
    if base is not None:
        lines += [f"And the keys of {_link(base)}.", ""]
    return lines


def _nested() -> list[Model]:
    """Return all models that parameters of methods lead to."""
    waiting: list[Model] = [one.parameters for methods in METHODS.values() for one in methods]
    found: dict[Model, None] = {}
    while waiting:
        fields = waiting.pop().model_fields.values()
        inner = [model for field in fields for model in models_in(field.annotation)]
        waiting += [model for model in inner if model not in found]
        found |= dict.fromkeys(inner)
    return list(found)


def _table(rows: Iterable[Row]) -> Iterator[str]:
    yield from HEAD
    for key, field, meaning in rows:
        cells = (f"`{key}`", kind_of(field, _link), _default(field), meaning)
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=False)
    if isinstance(value, bool):
        return str(value).lower()
    return f"`{value}`" if isinstance(value, str | int | float) and value != "" else ""


def _link(model: type) -> str:
    name = label(model)
    return f"[{name}](parts.md#{_anchor(name)})"


def _anchor(heading: str) -> str:
    return heading.lower().replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"
