"""The reference of actions is that of the models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labq.jobdef.blocks import METHODS
from labq.jobdef.reference import pages

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES = pages()


@pytest.mark.parametrize("name", PAGES)
def test_the_page_in_the_docs_is_current(name: str) -> None:
    written = (REFERENCE / name).read_text(encoding="utf-8")
    assert written == PAGES[name], "run: labq job reference docs/reference"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in REFERENCE.iterdir()} == PAGES.keys()


def test_each_method_and_each_of_its_parameters_is_described() -> None:
    for kind, methods in METHODS.items():
        text = PAGES[f"{kind}.md"]
        sections = dict(re.findall(r"^## `(\S+)`\n(.*?)(?=^## |\Z)", text, re.M | re.S))
        assert sections.keys() == {method.name for method in methods}
        for method in methods:
            names = [field.alias or name for name, field in method.parameters.model_fields.items()]
            assert all(f"`{name}`" in sections[method.name] for name in names)


def test_each_parameter_has_a_meaning() -> None:
    rows = [line for text in PAGES.values() for line in text.splitlines() if line[:3] == "| `"]
    silent = [row for row in rows if row.endswith("|  |")]
    assert rows
    assert silent == []


def test_each_link_leads_to_a_heading() -> None:
    for text in PAGES.values():
        for page, anchor in re.findall(r"\]\(([\w.]+)#([^)]+)\)", text):
            headings = re.findall(r"^#+ (.+)$", PAGES[page], re.M)
            anchors = {one.replace("`", "").lower().replace(" ", "-") for one in headings}
            assert anchor in anchors
