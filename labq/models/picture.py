"""The picture of the tables in docs/data-model.svg, drawn from the metadata alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql

GROUPS: Mapping[str, tuple[str, ...]] = {
    "People": (
        *("user", "group", "membership", "token", "remote_token", "login"),
        *("audience", "audience_submitter", "device_right", "device_type_right"),
    ),
    "Jobs": (
        "job",
        "job_definition",
        "job_label",
        "job_group",
        "group_member",
        "group_message",
        "delivery",
    ),
    "Runs": ("run", "run_plan", "step", "artifact", "reservation"),
    "Lab": (
        "device",
        "device_type",
        "device_type_alias",
        "device_template",
        "tag",
        "host",
        "enrolment",
        "refusal",
        "rejected_event",
    ),
    "Results, by month": ("test_suite", "test_case", "run_log"),
    "Counts": (
        "queue_length",
        "job_count",
        "day_count",
        "audience_count",
        "block_count",
        "count_delta",
    ),
}
REST = "The server itself"
"""The group of all other tables."""
_COLORS = ("#2563eb", "#b45309", "#047857", "#7c3aed", "#be123c", "#0e7490", "#4b5563")
_WIDTH, _GAP, _LINE, _HEAD, _TOP = 236, 64, 15, 22, 44
_BEND = 30
_STYLE = (
    "text{font:11px ui-monospace,monospace;fill:#111827}"
    ".t{font-weight:700;fill:#fff}.g{font:700 15px system-ui,sans-serif}"
    ".y{fill:#6b7280}.k{font-weight:700}"
)


@dataclass(frozen=True, slots=True)
class Box:
    """A table with its place."""

    table: Table
    x: int
    y: int
    color: str

    @property
    def height(self) -> int:
        """Return how high the box is."""
        return _HEAD + _LINE * len(self.table.columns) + 6

    def line(self, column: str) -> int:
        """Return where the middle of a column's line is."""
        return self.y + _HEAD + _LINE * list(self.table.columns.keys()).index(column) + 9


def draw(metadata: MetaData) -> str:
    """Return the picture as SVG: tables by what they are about, foreign keys as lines."""
    boxes = {box.table.name: box for box in _place(metadata)}
    width = max(box.x for box in boxes.values()) + _WIDTH + _GAP // 2
    height = max(box.y + box.height for box in boxes.values()) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        "<title>Tables of labq and their foreign keys</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *_titles(boxes),
        *(line for box in boxes.values() for line in _lines(box, boxes)),
        *(part for box in boxes.values() for part in _box(box)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _place(metadata: MetaData) -> Iterator[Box]:
    """Yield the tables of each group below each other, the groups side by side."""
    for number, (_, names) in enumerate(_groups(metadata).items()):
        y = _TOP
        for name in names:
            box = Box(
                metadata.tables[name],
                _GAP // 2 + number * (_WIDTH + _GAP),
                y,
                _COLORS[number % len(_COLORS)],
            )
            yield box
            y += box.height + 18


def _groups(metadata: MetaData) -> dict[str, tuple[str, ...]]:
    named = {name for names in GROUPS.values() for name in names}
    return {**GROUPS, REST: tuple(sorted(metadata.tables.keys() - named))}


def _titles(boxes: Mapping[str, Box]) -> Iterator[str]:
    for title, names in GROUPS.items():
        yield _text(boxes[names[0]].x, 28, title, "g")
    named = {name for names in GROUPS.values() for name in names}
    rest = next((box for name, box in boxes.items() if name not in named), None)
    if rest is not None:
        yield _text(rest.x, 28, REST, "g")


def _box(box: Box) -> Iterator[str]:
    place = f'x="{box.x}" y="{box.y}" width="{_WIDTH}"'
    yield f'<rect {place} height="{box.height}" rx="5" fill="#f9fafb" stroke="{box.color}"/>'
    yield f'<rect {place} height="{_HEAD - 3}" rx="5" fill="{box.color}"/>'
    yield _text(box.x + 8, box.y + 14, box.table.name, "t")
    for column in box.table.columns:
        y = box.line(column.name) + 3
        yield _text(box.x + 8, y, column.name, "k" if column.primary_key else "")
        yield _text(box.x + _WIDTH - 8, y, _type(column), "y", anchor="end")


def _type(column: Column[object]) -> str:
    """Return the type as PostgreSQL writes it, with `?` where it may be null."""
    name = column.type.compile(postgresql.dialect()).lower()  # type: ignore[no-untyped-call]  # SQLAlchemy's
    name = name.replace("timestamp with time zone", "timestamptz").replace("varchar(16)", "text")
    return name + ("?" if column.nullable else "")


def _lines(box: Box, boxes: Mapping[str, Box]) -> Iterator[str]:
    for key in sorted(box.table.foreign_keys, key=lambda key: key.parent.name):
        target = boxes[key.column.table.name]
        y, end = box.line(key.parent.name), target.y + 10
        start_x, end_x = _sides(box, target)
        first = start_x + (_BEND if start_x > box.x else -_BEND)
        last = end_x + (_BEND if end_x > target.x else -_BEND)
        yield (
            f'<path d="M{start_x} {y}C{first} {y} {last} {end} {end_x} {end}" fill="none"'
            f' stroke="{target.color}" stroke-opacity=".55" stroke-width="1.4"/>'
        )
        yield f'<circle cx="{end_x}" cy="{end}" r="3" fill="{target.color}"/>'


def _sides(box: Box, target: Box) -> tuple[int, int]:
    """Return at which sides a line leaves one box and meets the other."""
    if target.x > box.x:
        return box.x + _WIDTH, target.x
    if target.x < box.x:
        return box.x, target.x + _WIDTH
    return box.x, target.x


def _text(x: int, y: int, text: str, kind: str, *, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    end = ' text-anchor="end"' if anchor == "end" else ""
    return f'<text x="{x}" y="{y}"{named}{end}>{escape(text)}</text>'
