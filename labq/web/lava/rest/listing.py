"""A list of a request: its limit, offset, order and filters; and the page with links to its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlencode

from flask import request

from labq.services.tables.page import Asked, Found

LIMIT = 50
MOST_OFFSET = 10**12
"""More jobs than this there never are: what is beyond is as empty."""
_PAGING = frozenset({"limit", "offset", "ordering", "format"})


def asked(*, without: Iterable[str] = ()) -> Asked:
    """Return what the query asks for. A limit or offset that is no number is as if it was not there."""
    left_out = _PAGING.union(without)
    pairs = ((name, value) for name, value in request.args.items(multi=True))
    return Asked(
        limit=_number("limit", 1, LIMIT),
        offset=min(_number("offset", 0, 0), MOST_OFFSET),
        ordering=tuple(filter(None, request.args.get("ordering", "").split(",")[:10])),
        filters=tuple(pair for pair in pairs if pair[0] not in left_out),
    )


def page(found: Found, wanted: Asked, show: Callable[[Any], object]) -> dict[str, object]:
    """Return a page as LAVA's: how many there are, where the pages beside it are, and its rows."""
    return _page(found.count, [show(row) for row in found.rows], wanted)


def page_of(rows: Sequence[object], wanted: Asked) -> dict[str, object]:
    """Return a page of what is all at hand."""
    cut = rows[wanted.offset : wanted.offset + wanted.rows]
    return _page(len(rows), list(cut), wanted)


def _page(count: int, shown: list[object], wanted: Asked) -> dict[str, object]:
    after, before = wanted.offset + wanted.rows, wanted.offset - wanted.rows
    return {
        "count": count,
        "next": _link(wanted, after) if after < count else None,
        "previous": _link(wanted, before) if wanted.offset > 0 else None,
        "results": shown,
    }


def _link(wanted: Asked, offset: int) -> str:
    """Return the address of another part of the same list."""
    pairs = [
        (name, value)
        for name, value in request.args.items(multi=True)
        if name not in {"limit", "offset"}
    ]
    pairs.append(("limit", str(wanted.rows)))
    if offset > 0:
        pairs.append(("offset", str(offset)))
    return f"{request.base_url}?{urlencode(sorted(pairs))}"


def _number(name: str, least: int, default: int) -> int:
    text = request.args.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 40):
        return default
    return int(text) if int(text) >= least else default
