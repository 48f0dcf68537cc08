"""`/ops/tools`: the switch of the SQL log, and requests that were profiled."""

from __future__ import annotations

from flask import Response
from pydantic import Field

from labq.metrics.ledger import switch, views
from labq.metrics.ledger.switch import LONGEST_MINUTES
from labq.web import observing
from labq.web.endpoint import Call, Level, Page
from labq.web.parsing import Input
from labq.web.rendering import render


class SwitchForm(Input):
    """On or off, and for how long."""

    is_on: bool
    minutes: int = Field(default=5, ge=1, le=LONGEST_MINUTES)


def tools(call: Call) -> str:
    """Show the switch and the profiles."""
    observer = observing.current()
    return render(
        call,
        "ops_tools.html",
        sql_log=switch.find(observer.ledger, observer.redis, call.now),
        profiles=observer.gathering.profiles(),
        most_minutes=LONGEST_MINUTES,
    )


def set_sql_log(call: Call, form: SwitchForm) -> Response:
    """Turn the switch and show it."""
    observer = observing.current()
    if form.is_on:
        switch.turn_on(observer.ledger, observer.redis, call.now, form.minutes)
    else:
        switch.turn_off(observer.ledger, observer.redis)
    return Response(status=303, headers={"Location": "/ops/tools"})


def profile(call: Call, profile_id: str) -> str:
    """Show a profile."""
    row = views.find_profile(observing.current().gathering, profile_id)
    return render(call, "ops_profile.html", row=row)


PAGES = (
    Page(path="/ops/tools", run=tools, level=Level.ADMIN),
    Page(path="/ops/sql-log", run=set_sql_log, method="POST", level=Level.ADMIN, form=SwitchForm),
    Page(path="/ops/profiles/<profile_id>", run=profile, level=Level.ADMIN),
)
