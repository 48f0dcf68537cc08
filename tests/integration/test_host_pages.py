"""Load, limits and warnings of hosts on API, page and command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from labq.domain.states import HostHealth, HostState
from labq.hw.machine import machine_digest
from labq.models.host import Host
from tests.integration.cli_runner import Cli, served
from tests.integration.web_site import Person, Site

LOAD: Mapping[str, Any] = {
    "preset": "baseline",
    "cores": 2,
    "is_virtual": True,
    "machine": "another",
    "cpu": 0.25,
    "io": 0.0,
    "memory": 0.0,
    "swap": 0.0,
    "runnable": 1.5,
    "load": 1.0,
    "is_overloaded": False,
    "reason": "",
    "waits": {},
    "config": 0,
}
SLOTS = {
    "boot": {
        "limit": 3,
        "used": 2,
        "waiting": 4,
        "reason": "shrunk: 4.1 tasks want each CPU",
        "gap_ms": 100,
        "utilisation": 0.87,
    }
}


@pytest.fixture
def cli(site: Site, tmp_path: Path) -> Iterator[Cli]:
    """Return the command line before a running server."""
    with served(site) as url:
        yield Cli(url, tmp_path)


def _rack(site: Site, name: str = "rack", **load: object) -> None:
    site.add(
        Host(
            name=name,
            state=HostState.ONLINE,
            health=HostHealth.ACTIVE,
            slots=SLOTS,
            load={**LOAD, **load},
        )
    )


def _fastboot_boards(site: Site, number: int) -> None:
    for board in range(number):
        name = f"phone-{board}"
        site.device(name)
        template = f"{{% set fastboot_serial_number = '{board}' %}}"
        site.change(f"UPDATE device SET template = $t${template}$t$ WHERE name = '{name}'")


def test_the_api_shows_load_limits_and_their_reasons(site: Site) -> None:
    _rack(site, is_overloaded=True, reason="9 tasks want each CPU")
    shown = site.get("/hosts/rack").json
    assert (shown["is_overloaded"], shown["overload_reason"]) == (True, "9 tasks want each CPU")
    assert shown["slots"]["boot"]["utilisation"] == 0.87
    assert (shown["preset"], shown["load"]["cpu"]) == ("baseline", 0.25)
    assert "waits" not in shown["load"]


def test_a_virtual_machine_with_more_fastboot_devices_than_cores_is_warned_of(site: Site) -> None:
    _rack(site)
    _fastboot_boards(site, 2)
    assert site.get("/hosts/rack").json["warnings"] == []
    site.device("phone-9", "fastboot-phone")
    (warning,) = site.get("/hosts/rack").json["warnings"]
    assert "virtual machine with 2 cores has 3 fastboot devices" in warning


def test_a_real_machine_is_not_warned_of_its_cores(site: Site) -> None:
    _rack(site, is_virtual=False)
    _fastboot_boards(site, 3)
    assert site.get("/hosts/rack").json["warnings"] == []


def test_a_host_without_pressure_figures_is_warned_of(site: Site) -> None:
    _rack(site, cpu=None, io=None, memory=None)
    (warning,) = site.get("/hosts/rack").json["warnings"]
    assert "no pressure figures (PSI)" in warning


def test_a_lab_on_one_machine_is_warned_of_until_a_host_is_elsewhere(site: Site) -> None:
    _rack(site, machine=machine_digest())
    (warning,) = site.get("/hosts/rack").json["warnings"]
    assert "share one machine" in warning
    _rack(site, "far-away")
    assert site.get("/hosts/rack").json["warnings"] == []


def test_an_admin_asks_a_host_for_slots_and_slow_timeouts(
    site: Site, admin: Person, ann: Person
) -> None:
    _rack(site)
    wanted = {"preset": "dedicated", "limits": {"boot": 4}, "timeout_scales": {"download": 2.5}}
    assert site.send("PATCH", "/hosts/rack", ann, json=wanted).status_code == 403
    shown = site.send("PATCH", "/hosts/rack", admin, json=wanted).json
    assert shown["config"] == {"preset": "dedicated", "limits": {"boot": 4}}
    assert shown["timeout_scales"] == {"download": 2.5}
    assert (shown["config_revision"], shown["config_seen"]) == (1, 0)
    back = {"preset": "own", "limits": {"boot": 0}, "ceilings": {"deploy": 3}}
    shown = site.send("PATCH", "/hosts/rack", admin, json=back).json
    assert shown["config"] == {"preset": "", "limits": {}, "ceilings": {"deploy": 3}}
    assert site.send("PATCH", "/hosts/rack", admin, json=back).json["config_revision"] == 2


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"preset": "turbo"}, "preset"),
        ({"limits": {"coffee": 1}}, "limits.coffee"),
        ({"ceilings": {"boot": 100000}}, "ceilings.boot"),
        ({"limits": {"boot": -1}}, "limits.boot"),
        ({"timeout_scales": {"boot": 0}}, "timeout_scales.boot"),
        ({"timeout_scales": {"sleep": 2}}, "timeout_scales.sleep"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_its_place(
    site: Site, admin: Person, body: Mapping[str, object], place: str
) -> None:
    _rack(site)
    answer = site.send("PATCH", "/hosts/rack", admin, json=body)
    assert answer.status_code == 400
    assert [problem["path"] for problem in answer.json["errors"]] == [place]


def test_the_page_shows_overload_warnings_and_reasons(site: Site) -> None:
    _rack(site, is_overloaded=True, reason="9 tasks want each CPU", cpu=None)
    page = site.client.get("/hosts").text
    assert "Overloaded: 9 tasks want each CPU" in page
    assert "shrunk: 4.1 tasks want each CPU, starts 100 ms apart" in page
    assert "87 %" in page
    assert "no pressure figures (PSI)" in page


def test_the_command_line_shows_and_sets_slots(site: Site, cli: Cli, admin: Person) -> None:
    _rack(site, "lab-1", is_overloaded=True, reason="9 tasks want each CPU")
    shown = cli("host", "show", "lab-1")
    assert shown.returncode == 0
    assert "9 tasks want each CPU" in shown.stdout
    assert "shrunk: 4.1 tasks want each CPU" in shown.stdout
    assert "overloaded" in cli("host", "list").stdout
    words = ("--preset", "serial", "--limit", "boot=2", "--ceiling", "deploy=1")
    scales = ("--timeout-scale", "download=3", "--timeout-scale", "1.5")
    done = cli("host", "set", "lab-1", *words, *scales, "--json", person=admin)
    assert done.returncode == 0, done.stderr
    host = json.loads(done.stdout)
    assert host["config"] == {
        "preset": "serial",
        "limits": {"boot": 2},
        "ceilings": {"deploy": 1},
    }
    assert host["timeout_scales"] == {"download": 3.0, "all": 1.5}
    done = cli(
        "host", "set", "lab-1", "--limit", "boot=auto", "--timeout-scale", "site", person=admin
    )
    assert done.returncode == 0, done.stderr
    host = json.loads(cli("host", "show", "lab-1", "--json").stdout)
    assert (host["config"]["limits"], host["timeout_scales"]) == ({}, {})


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing to change"),
        (("--limit", "coffee=2"), "expected QUEUE=NUMBER"),
        (("--timeout-scale", "fast"), "is not KIND=FACTOR or FACTOR"),
    ],
)
def test_wrong_words_of_host_set_are_usage_errors(
    cli: Cli, admin: Person, words: tuple[str, ...], told: str
) -> None:
    done = cli("host", "set", "rack", *words, person=admin)
    assert done.returncode == 2
    assert told in done.stderr
