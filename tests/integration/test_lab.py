"""A lab made what files say: all of it or nothing, twice the same, and taken over from LAVA."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.orm import Session

from labq.models.job import Job
from tests.integration.cli_runner import Cli, served
from tests.integration.web_site import Person, Site

JOB = """\
job_name: smoke
device_type: {device_type}
visibility: public
timeouts: {{job: {{minutes: 5}}}}
actions: []
"""
BASE = """\
hostname: {{ scheduled_device_name }}
commands: {connect: {{ connection_command }}}
constants: {boot_retry: 1}
{% block body %}{% endblock %}
"""
KIND = """\
{% extends 'base.jinja2' %}
{% block body %}
actions:
  boot: {methods: {u-boot: {parameters: {prompt: '{{ bootloader_prompt | default("=>") }}'}}}}
{% endblock %}
"""
DEVICE = "{% extends 'pi4.jinja2' %}\n{% set connection_command = 'telnet lab 2001' %}\n"
INSTANCE = """\
aliases: [{name: raspberry, device_type: pi4}]
device-types: [{name: pi4, description: small, display: true, aliases: []}]
devices:
- {hostname: pi4-01, device_type: pi4, worker: lab.example, health: Good, tags: [usb]}
- {hostname: pi4-02, device_type: pi4, worker: lab.example, health: Retired, tags: []}
tags: [{name: usb, description: has a hub}]
workers: [{hostname: lab.example, description: rack, health: Active, state: Online}]
"""


@pytest.fixture
def cli(site: Site, tmp_path: Path) -> Iterator[Cli]:
    with served(site) as url:
        yield Cli(url, tmp_path / "home")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out what lavacli exports, and a folder of templates beside it."""
    files = {
        "export/instance.yaml": INSTANCE,
        "export/devices/pi4-01.jinja2": DEVICE,
        "export/devices/pi4-02.jinja2": DEVICE,
        "export/device-types/pi4.jinja2": KIND,
        "export/health-checks/pi4.yaml": JOB.format(device_type="raspberry"),
        "shelf/base.jinja2": BASE,
        "shelf/other.jinja2": "{{ nonsense",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def take_over(cli: Cli, person: Person, folder: Path, *more: str) -> Any:
    words = ("lab", "import-lava", folder / "export", "--device-types", folder / "shelf", *more)
    return cli(*words, "--host", "lab.example=rack-1", person=person)


def test_a_lab_of_lava_is_taken_over_and_once_more_changes_nothing(
    site: Site, cli: Cli, admin: Person, ann: Person, folder: Path
) -> None:
    dry = take_over(cli, admin, folder, "--dry-run", "--json")
    planned = json.loads(dry.stdout)["changes"]
    assert site.get("/devices").json["items"] == []
    done = take_over(cli, admin, folder, "--json")
    assert json.loads(done.stdout)["changes"] == planned, done.stderr
    assert {change["kind"] for change in planned} == {
        "host",
        "tag",
        "template",
        "device type",
        "device",
    }
    shown = site.get("/devices/pi4-01").json["device"]
    assert (shown["host"], shown["health"], shown["tags"]) == ("rack-1", "unknown", ["usb"])
    assert site.get("/device-types/pi4").json["aliases"] == ["raspberry"]
    rendered = site.get("/devices/pi4-01/dictionary?context.bootloader_prompt=U>", ann).text
    assert "prompt: U>" in rendered
    assert "connect: telnet lab 2001" in rendered
    again = take_over(cli, admin, folder)
    assert (again.returncode, again.stdout) == (0, "")
    assert "the lab is so already" in again.stderr


def test_a_change_is_shown_as_a_difference(cli: Cli, admin: Person, folder: Path) -> None:
    take_over(cli, admin, folder)
    path = folder / "export/devices/pi4-01.jinja2"
    path.write_text(DEVICE.replace("2001", "2002"))
    told = take_over(cli, admin, folder)
    assert "~ device pi4-01: dictionary\n" in told.stdout
    assert "    -{% set connection_command = 'telnet lab 2001' %}\n" in told.stdout
    assert "    +{% set connection_command = 'telnet lab 2002' %}\n" in told.stdout


def test_all_that_is_wrong_is_told_and_nothing_is_done(
    site: Site, cli: Cli, admin: Person, folder: Path
) -> None:
    (folder / "export/devices/pi4-01.jinja2").write_text(DEVICE + "{% set x = 1 / 0 %}")
    (folder / "export/health-checks/pi4.yaml").write_text("job_name: x\ndevice_type: other\n")
    told = cli(
        "lab", "import-lava", folder / "export", "--device-types", folder / "shelf", person=admin
    )
    assert told.returncode == 1
    assert (
        "instance.yaml: workers[0] (line 7): host: 'lab.example' cannot name a host" in told.stderr
    )
    assert "devices/pi4-01.jinja2: pi4-01 (line 3): division by zero" in told.stderr
    assert "health-checks/pi4.yaml (line 1): needs the key 'visibility'" in told.stderr
    assert "there is no host" not in told.stderr
    assert site.get("/device-types").json["items"] == []
    assert site.get("/hosts").json["items"] == []


def test_templates_of_lava_do_not_get_those_of_labq_unasked(
    cli: Cli, admin: Person, folder: Path
) -> None:
    words = ("lab", "import-lava", folder / "export", "--host", "rack-1")
    told = cli(*words, person=admin)
    assert told.returncode == 1
    assert "device-types/pi4.jinja2: extends base.jinja2, and only labq's own" in told.stderr


def test_plain_folders_need_the_name_of_a_host(cli: Cli, admin: Person, folder: Path) -> None:
    (folder / "export/instance.yaml").unlink()
    words = ("lab", "import-lava", folder / "export", "--device-types", folder / "shelf")
    told = cli(*words, person=admin)
    assert "say which host it hangs on" in told.stderr
    (folder / "export/health-checks/pi4.yaml").write_text(JOB.format(device_type="pi4"))
    assert cli(*words, "--host", "rack-1", "--dry-run", person=admin).returncode == 0
    assert cli("lab", "import-lava", folder / "shelf", person=admin).returncode == 1


def test_a_lab_file_is_applied(site: Site, cli: Cli, admin: Person, tmp_path: Path) -> None:
    lab = tmp_path / "lab.yaml"
    lab.write_text(
        "hosts: {rack-1: {address: 10.0.0.5}}\n"
        "device_types: {shell: {description: for trials, aliases: [sh]}}\n"
        "devices: {sh-1: {host: rack-1, tags: [a], health: good}}\n"
    )
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/sh-1.jinja2").write_text("{% extends 'shell.jinja2' %}")
    told = cli("lab", "apply", lab, person=admin)
    assert "+ device sh-1: shell on host rack-1" in told.stdout, told.stderr
    lab.write_text(lab.read_text().replace("[a]", "[a, b]").replace("for trials", "of mine"))
    told = cli("lab", "apply", lab, person=admin)
    assert told.stdout.splitlines() == [
        "~ device type shell: description: for trials -> of mine",
        "~ device sh-1: tags: a -> a, b",
    ]
    assert site.get("/devices/sh-1").json["device"]["health"] == "good"


def test_only_admins_may_make_a_lab(cli: Cli, ann: Person, folder: Path) -> None:
    assert "403" in take_over(cli, ann, folder, "--json").stdout


def test_a_job_may_ask_for_a_device_type_by_an_alias(
    site: Site, cli: Cli, admin: Person, ann: Person, tmp_path: Path
) -> None:
    site.device()
    assert cli("device-type", "alias", "add", "sh", "shell", person=admin).returncode == 0
    listed = cli("device-type", "alias", "list", "--json")
    assert json.loads(listed.stdout) == [{"name": "sh", "device_type": "shell"}]
    definition = tmp_path / "job.yaml"
    definition.write_text(JOB.format(device_type="sh"))
    done = cli("job", "submit", definition, "--json", person=ann)
    with Session(site.engine) as session:
        assert session.get_one(Job, json.loads(done.stdout)["id"]).device_type == "shell"
    assert b"Also called sh" in site.client.get("/device-types/shell").data
    assert cli("device-type", "alias", "remove", "sh", person=admin).returncode == 0
    refused = cli("job", "submit", definition, person=ann)
    assert "Device type 'sh' is unavailable" in refused.stderr


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/device-types/nothing/aliases/x", 404),
        ("/device-types/shell/aliases/shell", 409),
        ("/device-types/shell/aliases/taken", 409),
        ("/device-types/shell/aliases/a%20b", 400),
    ],
)
def test_an_alias_needs_a_type_and_a_name_of_its_own(
    site: Site, admin: Person, path: str, status: int
) -> None:
    site.device()
    assert site.send("PUT", "/device-types/shell/aliases/taken", admin).status_code == 200
    assert site.send("PUT", path, admin).status_code == status
    assert site.send("DELETE", "/device-type-aliases/none", admin).status_code == 404


def test_a_stored_template_goes_before_others(site: Site, admin: Person, ann: Person) -> None:
    site.device()
    path = "/device-templates/shell"
    assert "labq/base.jinja2" in site.get(path, ann).text
    body = {"template": "{% extends 'labq/shell.jinja2' %}{% set shell_prompt = 'mine> ' %}"}
    assert site.send("PUT", path, admin, json=body).status_code == 204
    assert "mine> " in site.get("/devices/board-1/dictionary", ann).text
    assert site.send("DELETE", path, admin).status_code == 204
    assert "mine> " not in site.get("/devices/board-1/dictionary", ann).text
    assert site.send("PUT", "/device-templates/..%2Fx", admin, json=body).status_code in (400, 404)
    assert site.get("/device-templates/.shell", ann).status_code == 400


def test_a_template_of_a_hidden_device_type_is_not_there(
    site: Site, admin: Person, ann: Person, bob: Person
) -> None:
    site.device()
    site.group("lab", ann)
    right = {"group": "lab", "right": "view"}
    assert site.send("POST", "/device-types/shell/rights", admin, json=right).status_code == 201
    assert site.get("/device-templates/shell", ann).status_code == 200
    assert site.get("/device-templates/shell", bob).status_code == 404
