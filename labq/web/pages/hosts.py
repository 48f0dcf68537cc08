"""`/hosts`: lab hosts with their slots."""

from __future__ import annotations

from labq.services import host_view
from labq.web.endpoint import Call, Page
from labq.web.rendering import render


def hosts(call: Call) -> str:
    """Show the hosts."""
    return render(call, "hosts.html", hosts=host_view.find_page(call.session).items)


PAGES = (Page(path="/hosts", run=hosts),)
