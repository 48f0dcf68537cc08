"""Hosts: list, show, give work or not."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from labq.domain.states import HostHealth
from labq.services import host_config, host_view, hosts
from labq.services.host_config import ConfigChange
from labq.services.host_view import HostRow
from labq.services.paging import Page
from labq.services.transitions import By
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, PageQuery, Text


class HostBody(Input):
    """What to change; a field that is not there leaves as it is. 0 slots take a number back."""

    health: HostHealth | None = None
    reason: Text = Field(default="", max_length=1000)
    preset: Text | None = Field(default=None, description="a preset, or `own`: what the host says")
    limits: dict[str, int] | None = Field(default=None, description="slots by queue, fixed")
    ceilings: dict[str, int] | None = Field(default=None, description="the most slots, by queue")
    timeout_scales: dict[str, float] | None = Field(
        default=None, description="factors for timeouts by kind of step, or `all`"
    )
    drain: Text | None = Field(
        default=None,
        max_length=500,
        description="why to end its runs now and power off; empty: let it work again",
    )
    lost_after_seconds: int | None = Field(
        default=None, ge=0, le=366 * 24 * 3600, description="silence that ends its runs; 0: default"
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set - {"reason"}:
            message = "nothing to change"
            raise ValueError(message)
        return self


def index(call: Call, query: PageQuery) -> Page[HostRow]:
    """List hosts."""
    return host_view.find_page(call.session, call.viewer, after=query.after, limit=query.limit)


def show(call: Call, host: str) -> HostRow:
    """Show a host."""
    return host_view.find(call.session, call.viewer, host)


def change(call: Call, host: str, body: HostBody) -> HostRow:
    """Change whether a host is given work, and what is asked of its slots."""
    if body.health is not None:
        by = By(call.viewer.name, call.now, body.reason)
        hosts.set_health(call.session, host, body.health, by)
    asked = body.model_dump(include=set(ConfigChange.__dataclass_fields__))
    host_config.change(call.session, host, ConfigChange(**asked))
    if body.lost_after_seconds is not None:
        hosts.set_lost_after(call.session, host, body.lost_after_seconds)
    return host_view.find(call.session, call.viewer, host)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/hosts",
        summary="List hosts with their slots",
        run=index,
        may_lag=True,
        query=PageQuery,
        answer=Page[HostRow],
    ),
    Endpoint(
        method="GET",
        path="/hosts/<host>",
        summary="Show a host",
        run=show,
        answer=HostRow,
    ),
    Endpoint(
        method="PATCH",
        path="/hosts/<host>",
        summary="Give a host work or not, set its slots; what runs there goes on",
        run=change,
        level=Level.ADMIN,
        body=HostBody,
        answer=HostRow,
    ),
)
