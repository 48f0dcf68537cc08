"""The limits of style that no linter knows: sizes, names, docstrings."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "labq"
LONGEST_FILE = 450
LONGEST_FUNCTION = 60
LONGEST_OF_NINE_IN_TEN = 28
LONGEST_OF_HALF = 8
LONGEST_DOCSTRING = 6
NAMES_WITHOUT_A_NOUN = ("utils.py", "util.py", "helpers.py", "common.py", "manager.py", "misc.py")
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "_migrations" not in path.parts)


@dataclass(frozen=True)
class Function:
    """A function and the lines of its body without its docstring."""

    place: str
    lines: int


def _name(path: Path) -> str:
    return str(path.relative_to(PACKAGE.parent))


def _functions() -> Iterator[Function]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(f"{_name(path)}:{node.lineno} {node.name}", _lines(node))


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    if not body:
        return 0
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_no_file_is_longer_than_the_limit() -> None:
    sizes = {_name(path): len(path.read_text().splitlines()) for path in FILES}
    assert {name: size for name, size in sizes.items() if size > LONGEST_FILE} == {}


def test_no_function_is_longer_than_the_limit() -> None:
    assert [found for found in _functions() if found.lines > LONGEST_FUNCTION] == []


@pytest.mark.parametrize(
    ("share", "limit"), [(0.5, LONGEST_OF_HALF), (0.9, LONGEST_OF_NINE_IN_TEN)]
)
def test_most_functions_are_small(share: float, limit: int) -> None:
    sizes = sorted(found.lines for found in _functions())
    assert sizes[int(len(sizes) * share)] <= limit


def test_no_file_lacks_a_noun() -> None:
    assert [_name(path) for path in FILES if path.name in NAMES_WITHOUT_A_NOUN] == []


def test_every_module_says_what_belongs_there() -> None:
    silent = [_name(path) for path in FILES if path.read_text() and not _docstring(path)]
    assert silent == []


def test_what_a_module_says_of_itself_is_short() -> None:
    long = [_name(path) for path in FILES if len(_docstring(path).splitlines()) > LONGEST_DOCSTRING]
    assert long == []


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def test_each_unchecked_type_names_its_code_and_reason() -> None:
    bare = [
        f"{_name(path)}:{number}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "type: ignore" in line and not _has_code_and_reason(line)
    ]
    assert bare == []


def _has_code_and_reason(line: str) -> bool:
    _, _, rest = line.partition("type: ignore")
    return rest.startswith("[") and bool(rest.partition("]")[2].strip(" #-"))
