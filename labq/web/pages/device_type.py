"""`/device-types/NAME`: one device type, and the job that proves its devices."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response
from pydantic import Field

from labq.domain.errors import InvalidInputError, NotFoundError
from labq.domain.health_checks import Denominator
from labq.domain.rights import Right
from labq.services import counts, device_rights, device_types, device_view, job_list
from labq.services.counts import Finished, Subject
from labq.services.database import unless_slow
from labq.services.device_types import TypeChange
from labq.services.device_view import DeviceFilter
from labq.services.job_list import JobFilter, JobRow
from labq.services.transitions import By
from labq.web.endpoint import HTML, Call, Level, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render

LATEST = 10
"""How many of its jobs the page of a device type shows."""
_LONGEST_CHECK = 256 * 1024


class CheckForm(Input):
    """The fields of the form; an empty definition takes the health check away."""

    health_check: Text = Field(default="", max_length=_LONGEST_CHECK)
    health_frequency: int = Field(default=24, ge=1, le=1_000_000)
    health_denominator: Denominator = Denominator.HOURS
    health_disabled: bool = False


def device_type(call: Call, name: str) -> str:
    """Show the device type with its devices."""
    return _page(call, name)


def set_check(call: Call, name: str, form: CheckForm) -> str | Response:
    """Change the health check, or say what is wrong with it."""
    device_rights.require_type(call.session, call.viewer, name, Right.CHANGE)
    text = form.health_check.replace("\r\n", "\n")
    values = {**form.model_dump(), "health_check": text if text.strip() else ""}
    try:
        device_types.change(
            call.session, name, TypeChange(**values), By(call.viewer.name, call.now)
        )
    except InvalidInputError as error:
        page = _page(call, name, problem=str(error), text=text)
        return Response(page, 400, content_type=f"{HTML}; charset=utf-8")
    return Response(status=303, headers={"Location": f"/device-types/{quote(name)}"})


def _page(call: Call, name: str, problem: str = "", text: str | None = None) -> str:
    found = device_view.find_type(call.session, call.viewer, name)
    row = device_rights.require_type(call.session, call.viewer, name, Right.VIEW)
    devices = device_view.find_page(call.session, call.viewer, DeviceFilter(device_type=name))
    return render(
        call,
        "device_type.html",
        kind=found,
        devices=devices.items,
        more=devices.next,
        finished=unless_slow(lambda: _finished(call, name)),
        jobs=unless_slow(lambda: _latest(call, name)),
        denominators=tuple(Denominator),
        rights=() if call.viewer.is_anonymous else device_rights.find_rights(call.session, row),
        may_change=device_rights.may_change(call.session, call.viewer, row),
        text=_health_check(call, name) if text is None else text,
        problem=problem,
    )


def _finished(call: Call, name: str) -> Finished:
    return call.attempt(lambda session: counts.find_finished(session, Subject.DEVICE_TYPE, name))


def _latest(call: Call, name: str) -> tuple[JobRow, ...]:
    wanted = JobFilter(device_type=name)
    return call.attempt(
        lambda session: job_list.find_page(session, call.viewer, wanted, limit=LATEST).items
    )


def _health_check(call: Call, name: str) -> str:
    """Return the definition for users alone, as other definitions that are not public."""
    try:
        return (
            "" if call.viewer.is_anonymous else device_types.find_health_check(call.session, name)
        )
    except NotFoundError:
        return ""


PAGES = (
    Page(path="/device-types/<name>", run=device_type, may_lag=True),
    Page(
        path="/device-types/<name>",
        run=set_check,
        method="POST",
        level=Level.USER,
        form=CheckForm,
    ),
)
