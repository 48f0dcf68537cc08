"""`/hosts`: lab hosts with their slots; an admin gives them work or not, and sets their preset."""

from __future__ import annotations

from urllib.parse import quote

from flask import Response
from pydantic import Field

from labq.domain.presets import Preset
from labq.domain.states import HostHealth
from labq.services import host_config, host_view
from labq.services import hosts as host_changes
from labq.services.host_config import ConfigChange
from labq.services.transitions import By
from labq.web.endpoint import Call, Level, Page
from labq.web.parsing import Input, Text
from labq.web.rendering import render


class HealthForm(Input):
    """The new health, and why."""

    health: HostHealth
    reason: Text = Field(default="", max_length=1000)


class PresetForm(Input):
    """The preset that is asked for."""

    preset: Text


def hosts(call: Call) -> str:
    """Show the hosts."""
    found = host_view.find_page(call.session, call.viewer).items
    presets = (host_config.OWN, *Preset)
    return render(call, "hosts.html", hosts=found, healths=tuple(HostHealth), presets=presets)


def set_health(call: Call, name: str, form: HealthForm) -> Response:
    """Change the host's health and show it."""
    by = By(call.viewer.name, call.now, form.reason)
    host_changes.set_health(call.session, name, form.health, by)
    return Response(status=303, headers={"Location": f"/hosts#{quote(name)}"})


def set_preset(call: Call, name: str, form: PresetForm) -> Response:
    """Ask the host for a preset and show it."""
    host_config.change(call.session, name, ConfigChange(preset=form.preset))
    return Response(status=303, headers={"Location": f"/hosts#{quote(name)}"})


PAGES = (
    Page(path="/hosts", run=hosts, may_lag=True),
    Page(
        path="/hosts/<name>/health",
        run=set_health,
        method="POST",
        level=Level.ADMIN,
        form=HealthForm,
    ),
    Page(
        path="/hosts/<name>/preset",
        run=set_preset,
        method="POST",
        level=Level.ADMIN,
        form=PresetForm,
    ),
)
