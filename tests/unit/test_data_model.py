"""The picture of the data model is that of the models."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from labq.models import TABLES
from labq.models.picture import GROUPS, draw

METADATA = TABLES[0].metadata
DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_picture_in_the_docs_is_current() -> None:
    drawn = (DOCS / "data-model.svg").read_text(encoding="utf-8")
    assert drawn == draw(METADATA), "run: labq db picture docs/data-model.svg"


def test_the_picture_shows_every_table_and_column_once() -> None:
    root = ElementTree.fromstring(draw(METADATA))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for table in METADATA.tables.values():
        assert texts.count(table.name) >= 1
        assert all(column.name in texts for column in table.columns)
    columns = sum(len(table.columns) for table in METADATA.tables.values())
    assert len(texts) == 2 * columns + len(METADATA.tables) + len(GROUPS) + 1


def test_the_groups_name_tables_that_are_there() -> None:
    named = [name for names in GROUPS.values() for name in names]
    assert set(named) <= METADATA.tables.keys()
    assert len(named) == len(set(named))
