"""What an endpoint and a page are: records that the app, the dispatcher and OpenAPI read."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import cache
from typing import Any, TypeVar

from flask import Response
from pydantic import BaseModel, TypeAdapter
from sqlalchemy.orm import Session, sessionmaker

from labq.config import Settings
from labq.domain.deadline import Deadline
from labq.services.database import attempt
from labq.services.parts import Parts
from labq.services.replica import Standing
from labq.services.visibility import Viewer
from labq.web.cache import Found
from labq.web.limits import LoginLimit
from labq.web.shelf import Report, Shelf

JSON = "application/json"
YAML = "application/yaml"
TEXT = "text/plain"
HTML = "text/html"
BYTES = "application/octet-stream"
_Found = TypeVar("_Found")


@cache
def adapter_of(answer: Any) -> TypeAdapter[Any]:
    """Return what writes values of a type as JSON; making one takes longer than using it."""
    return TypeAdapter(answer)


class Level(IntEnum):
    """Who may call: each level includes the ones above it."""

    ANONYMOUS = 0
    USER = 1
    ADMIN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as a handler sees it, within one transaction that ends after the handler.

    At the deadline a caller of its role has waited for long enough.
    """

    session: Session
    viewer: Viewer
    now: datetime
    settings: Settings
    login_limit: LoginLimit
    parts: Parts
    shelf: Shelf
    deadline: Deadline

    def attempt(self, load: Callable[[Session], _Found]) -> _Found:
        """Return what `load` finds, in the time that is left; raises TooSlowError.

        What is asked for after that is still answered (`services.database.attempt`).
        """
        return attempt(self.session, load, self.deadline)

    def report(
        self, name: str, compute: Report[_Found], *, arguments: Hashable = ()
    ) -> Found[_Found]:
        """Return a report of the table of what is cached; raises TooSlowError (`Shelf.report`)."""
        return self.shelf.report(
            name, self.viewer, compute, deadline=self.deadline, arguments=arguments
        )

    replica: Standing | None = None

    @property
    def user_id(self) -> int:
        """Return the caller's id; for handlers of level USER and above."""
        if self.viewer.user_id is None:
            message = "the handler of an anonymous request asked for its user"
            raise RuntimeError(message)
        return self.viewer.user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadCall:
    """A request with a large body: its handler knows who sends it, and opens short transactions."""

    sessions: sessionmaker[Session]
    now: datetime
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path below /api/v1.

    `run` gets the call, the path's parameters by name, `query` when there is a query model and
    `body` when there is a body model. It returns a value of the type `answer`, or a response.
    `raw_body` names media types whose text becomes the body's field `raw_field`. With `is_upload`
    the body is bytes that `run` reads itself, and it gets an UploadCall. `may_lag`: it only reads, and
    may be answered from a replica that is some seconds behind. `is_one_look`: its statements need not
    see the same moment, so that there is no transaction to begin and to end.
    """

    method: str
    path: str
    summary: str
    run: Callable[..., Any]
    level: Level = Level.ANONYMOUS
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    answer: Any = None
    status: int = 200
    media: tuple[str, ...] = (JSON,)
    raw_body: tuple[str, ...] = ()
    raw_field: str = ""
    is_upload: bool = False
    may_lag: bool = False
    largest_body: int | None = None
    is_one_look: bool = False

    @property
    def name(self) -> str:
        """Return the name for routes, statistics and the OpenAPI document's operations."""
        return f"api.{self.run.__module__.rsplit('.', 1)[-1]}.{self.run.__name__}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One HTML page, or the target of a form when `form` is a model.

    `run` gets the call, the path's parameters by name, `query` and `form` where they have models;
    it returns text or a response. A POST is refused without the form's CSRF token. `may_lag` is as
    with endpoints.
    """

    path: str
    run: Callable[..., str | Response]
    method: str = "GET"
    level: Level = Level.ANONYMOUS
    query: type[BaseModel] | None = None
    form: type[BaseModel] | None = None
    may_lag: bool = False

    @property
    def name(self) -> str:
        """Return the name for `url_for` and statistics: `pages.<file>.<function>`."""
        return f"pages.{self.run.__module__.rsplit('.', 1)[-1]}.{self.run.__name__}"
