"""A sweep as an SVG file: wall time and failures above the number of boots at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from labq.cli.sweep.arms import Measured

WIDTH, HEIGHT = 640, 230
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 34, 30
LINE, DASHED, GRID, INK = "#2563eb", "#c2410c", "#d4d4d8", "#3f3f46"
TICKS = 4
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Panel:
    """One diagram: a title, values above the fixed arms, and the value of the adaptive one."""

    title: str
    labels: Sequence[str]
    values: Sequence[float]
    adaptive: float | None
    y: int

    @property
    def top(self) -> float:
        """Return the value at the upper end of the axis."""
        return max([*self.values, self.adaptive or 0.0, 1.0]) * 1.1

    def across(self, index: int) -> float:
        """Return where the arm stands from left to right."""
        room = WIDTH - LEFT - RIGHT
        return LEFT + room * (index + 0.5) / max(1, len(self.labels))

    def height(self, value: float) -> float:
        """Return where a value stands from top to bottom."""
        room = HEIGHT - TOP - BOTTOM
        return self.y + TOP + room * (1 - value / self.top)


def draw(title: str, measured: Sequence[Measured]) -> str:
    """Return the picture; arms are those of one number of tests at once."""
    fixed = sorted(
        (arm for arm in measured if arm.boots is not None), key=lambda arm: arm.boots or 0
    )
    adaptive = next((arm for arm in measured if arm.boots is None), None)
    labels = [str(arm.boots) for arm in fixed]
    panels = (
        _Panel(
            "wall time, seconds",
            labels,
            [arm.seconds for arm in fixed],
            adaptive.seconds if adaptive else None,
            20,
        ),
        _Panel(
            "failed, percent",
            labels,
            [arm.failed_percent for arm in fixed],
            adaptive.failed_percent if adaptive else None,
            20 + HEIGHT,
        ),
    )
    body = "\n".join(line for panel in panels for line in _panel(panel))
    height = 2 * HEIGHT + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n'
        f'<text x="{LEFT}" y="18" font-size="14">{escape(title)}</text>\n{body}\n'
        f"{_text((WIDTH / 2, height - 6), 'boots at once', 'middle')}\n</svg>\n"
    )


def _panel(panel: _Panel) -> Iterator[str]:
    yield _text((LEFT, panel.y + TOP - 10), panel.title, "start")
    for step in range(TICKS + 1):
        value = panel.top * step / TICKS
        y = panel.height(value)
        yield _line((LEFT, y), (WIDTH - RIGHT, y), GRID)
        yield _text((LEFT - 8, y + 4), f"{value:.0f}", "end")
    points = [
        (panel.across(index), panel.height(value)) for index, value in enumerate(panel.values)
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{LINE}" stroke-width="2"/>'
    for (x, y), value, label in zip(points, panel.values, panel.labels, strict=True):
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{LINE}"/>'
        yield _text((x, y - 8), f"{value:.3g}", "middle")
        yield _text((x, panel.y + HEIGHT - BOTTOM + 16), label, "middle")
    if panel.adaptive is not None:
        y = panel.height(panel.adaptive)
        yield _line(
            (LEFT, y), (WIDTH - RIGHT, y), DASHED, ' stroke-dasharray="6 4" stroke-width="2"'
        )
        label = f"adaptive: {panel.adaptive:.3g}"
        yield _text((WIDTH - RIGHT, panel.y + TOP - 10), label, "end", DASHED)


def _line(start: Point, end: Point, colour: str, more: str = "") -> str:
    (x1, y1), (x2, y2) = start, end
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} stroke="{colour}"{more}/>'


def _text(at: Point, text: str, anchor: str, colour: str = INK) -> str:
    place = f'x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}">{escape(text)}</text>'
