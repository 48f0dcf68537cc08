"""What an address of LAVA's REST API is, and what it answers with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response

from labq.web.endpoint import JSON, Level

PREFIX = "/api/v0.2/"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Reply:
    """A value that becomes JSON, and the status that it goes with."""

    value: object
    status: int = 200

    def response(self) -> Response:
        """Return it as a response; 204 has no body."""
        if self.status == 204:
            return Response(status=204)
        return Response(dumped(self.value), self.status, content_type=JSON)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of an address below PREFIX.

    `run` gets the call and the path's parameters by name; it returns a Response, or a value that
    becomes JSON. `is_change`: it writes, which a GET does only where LAVA's does.
    """

    method: str
    path: str
    run: Callable[..., Any]
    level: Level = Level.ANONYMOUS
    is_change: bool = field(default=False)

    @property
    def name(self) -> str:
        """Return the name for limits and statistics: `rest.<file>.<function>`."""
        return f"rest.{self.run.__module__.rsplit('.', 1)[-1]}.{self.run.__name__}"

    @property
    def writes(self) -> bool:
        """Tell whether a request changes something."""
        return self.is_change or self.method not in SAFE


def dumped(value: object) -> str:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text(body: str | bytes | Iterable[bytes], kind: str, name: str = "") -> Response:
    """Return a text as a file of some name."""
    response = Response(body, content_type=kind)
    if name:
        response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response


Json = Mapping[str, object]
