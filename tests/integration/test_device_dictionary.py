"""Dictionaries as they are stored and rendered, and templates that the server keeps."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from labq.domain.errors import ConfigurationError, NotFoundError
from labq.domain.states import DeviceHealth
from labq.models.run import RunPlan
from labq.services import device_dictionary, device_templates, devices
from labq.services.devices import NewDevice
from tests.integration.conductor_lab import HOST, NOW, SHELL, Lab, eventually


def store(lab: Lab, text: str) -> None:
    with Session(lab.engine) as session, session.begin():
        device_dictionary.store(session, "board-1", text, templates=())


def keep(lab: Lab, name: str, text: str) -> None:
    with Session(lab.engine) as session, session.begin():
        device_templates.store(session, name, text, now=NOW)


def test_a_dictionary_is_kept_as_it_was_given_and_rendered_with_a_context(lab: Lab) -> None:
    text = "{% extends 'mine.jinja2' %}\n{# a remark #}\n"
    keep(lab, "mine", SHELL + "{% set exclusive = ['hub'] %}")
    store(lab, text)
    with Session(lab.engine) as session:
        assert device_dictionary.raw(session, "board-1") == text
        shown = device_dictionary.rendered(
            session, "board-1", {"boot_character_delay": 7}, templates=()
        )
    assert "boot: 7" in shown
    assert lab.device().exclusive == ["hub"]


def test_a_dictionary_that_does_not_render_is_kept_and_makes_the_device_bad(lab: Lab) -> None:
    store(lab, "{% extends 'gone.jinja2' %}")
    with Session(lab.engine) as session, pytest.raises(ConfigurationError, match="no template"):
        device_dictionary.rendered(session, "board-1", {}, templates=())
    with lab.conducting():
        lab.submit()
        eventually(lambda: lab.device().health is DeviceHealth.BAD, "the device being set aside")
    assert "no template gone.jinja2" in lab.device().health_reason


def test_a_device_may_be_without_a_dictionary(lab: Lab) -> None:
    with Session(lab.engine) as session, session.begin():
        new = NewDevice(name="bare", device_type="shell", host=HOST, template="")
        devices.add(session, new, templates=())
    store(lab, "")
    with Session(lab.engine) as session:
        for name in ("bare", "board-1"):
            with pytest.raises(NotFoundError, match="has no dictionary"):
                device_dictionary.raw(session, name)
        with pytest.raises(NotFoundError, match="there is no device"):
            device_dictionary.raw(session, "gone")


def test_a_job_is_planned_with_the_templates_that_are_stored(lab: Lab) -> None:
    keep(lab, "shell", "{% extends 'labq/shell.jinja2' %}{% set shell_prompt = 'stored> ' %}")
    with lab.conducting():
        job = lab.submit()
        run = eventually(lambda: lab.sent_run(job), "sending")
    with Session(lab.engine) as session:
        assert "stored> " in session.get_one(RunPlan, run.id).plan
