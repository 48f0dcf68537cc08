"""Groups and their members."""

from __future__ import annotations

from labq.services import groups
from labq.services.groups import GroupRow, GroupView
from labq.services.paging import Page
from labq.web.endpoint import Call, Endpoint, Level
from labq.web.parsing import Input, Name, PageQuery


class GroupBody(Input):
    """A new group."""

    name: Name


def index(call: Call, query: PageQuery) -> Page[GroupRow]:
    """List groups."""
    return groups.find_page(call.session, after=query.after, limit=query.limit)


def create(call: Call, body: GroupBody) -> GroupView:
    """Make a group."""
    return groups.create(call.session, body.name)


def show(call: Call, group: str) -> GroupView:
    """Show a group."""
    return groups.find(call.session, group)


def add(call: Call, group: str, user: str) -> GroupView:
    """Put a user into a group."""
    return groups.add(call.session, group, user)


def remove(call: Call, group: str, user: str) -> GroupView:
    """Take a user out of a group."""
    return groups.remove(call.session, group, user)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/groups",
        summary="List groups",
        run=index,
        level=Level.USER,
        query=PageQuery,
        answer=Page[GroupRow],
    ),
    Endpoint(
        method="POST",
        path="/groups",
        summary="Make a group",
        run=create,
        level=Level.ADMIN,
        body=GroupBody,
        answer=GroupView,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/groups/<group>",
        summary="Show a group with its members",
        run=show,
        level=Level.USER,
        answer=GroupView,
    ),
    Endpoint(
        method="PUT",
        path="/groups/<group>/members/<user>",
        summary="Put a user into a group",
        run=add,
        level=Level.ADMIN,
        answer=GroupView,
    ),
    Endpoint(
        method="DELETE",
        path="/groups/<group>/members/<user>",
        summary="Take a user out of a group",
        run=remove,
        level=Level.ADMIN,
        answer=GroupView,
    ),
)
