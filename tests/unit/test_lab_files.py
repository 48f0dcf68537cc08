"""Files that describe a lab: labq's own, what lavacli exports, and LAVA's plain folders."""

from __future__ import annotations

import pytest

from labq.domain.errors import InvalidInputError
from labq.domain.lab import Lab, WantedTemplate, WantedText
from labq.domain.states import DeviceHealth
from labq.jobdef.lab_files import HostNames, reachable, read_lab

EXPORT = """\
aliases:
- {device_type: pi4, name: raspberry}
device-types:
- aliases: [pi]
  description: a small board
  display: true
  health_disabled: false
  name: pi4
  owners_only: false
devices:
- {description: null, device_type: pi4, group: null, health: Good, hostname: pi4-01, pipeline: true,
  public: true, state: Idle, tags: [usb], user: null, worker: lab.example}
- {device_type: pi4, health: Maintenance, hostname: pi4-02, worker: lab.example}
tags:
- {description: has a hub, name: usb}
workers:
- {description: the rack, health: Active, hostname: lab.example, state: Online}
"""
FILES = {
    "devices/pi4-01.jinja2": "{% extends 'pi4.jinja2' %}",
    "device-types/pi4.jinja2": "{% extends 'base-uboot.jinja2' %}",
    "health-checks/pi4.yaml": "device_type: pi4",
}
KNOWN = "hosts, tags, aliases, device_types, devices, device-types, workers, groups, users"
AS_IS = HostNames()


def read(text: str, hosts: HostNames = AS_IS, *, is_trusted: bool = False) -> Lab:
    return read_lab({"instance.yaml": text}, FILES, hosts=hosts, is_trusted=is_trusted)


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        read(text)
    return [problem.describe() for problem in caught.value.problems]


def test_an_export_of_lavacli_is_read() -> None:
    lab = read(EXPORT, HostNames(names={"lab.example": "rack-1"}))
    (host,) = lab.hosts
    assert (host.name, host.description) == ("rack-1", "the rack")
    (kind,) = lab.device_types
    assert (kind.name, kind.aliases, kind.description) == (
        "pi4",
        ("pi", "raspberry"),
        "a small board",
    )
    assert kind.health_check == WantedText(file="health-checks/pi4.yaml", text="device_type: pi4")
    first, second = lab.devices
    assert (first.name, first.host, first.tags) == ("pi4-01", "rack-1", ("usb",))
    assert first.dictionary is not None
    assert first.dictionary.file == "devices/pi4-01.jinja2"
    assert (second.dictionary, second.tags) == (None, None)
    assert [tag.description for tag in lab.tags] == ["has a hub"]
    assert [template.name for template in lab.templates] == ["pi4"]


def test_what_another_server_found_good_is_to_be_proven() -> None:
    text = "devices: {a: {health: Good}, b: {health: Bad}, c: {retire: true}, d: null}"
    healths = [device.health for device in read(text).devices[:4]]
    assert healths == [DeviceHealth.UNKNOWN, DeviceHealth.BAD, DeviceHealth.RETIRED, None]
    (trusted, *_) = read(text, is_trusted=True).devices
    assert trusted.health is DeviceHealth.GOOD


def test_one_host_stands_for_all_workers() -> None:
    lab = read(EXPORT, HostNames(only="rack-1"))
    assert [host.name for host in lab.hosts] == ["rack-1"]
    assert {device.host for device in lab.devices} == {"rack-1"}


def test_plain_folders_tell_devices_of_the_types_that_they_extend() -> None:
    lab = read_lab({}, FILES, hosts=AS_IS, is_trusted=False)
    (device,) = lab.devices
    assert (device.name, device.device_type, device.host) == ("pi4-01", None, None)
    (kind,) = lab.device_types
    assert (kind.name, kind.health_check is not None) == ("pi4", True)


def test_health_checks_of_types_without_devices_are_left_out() -> None:
    files = {**FILES, "health-checks/other.yaml": "device_type: other"}
    lab = read_lab({}, files, hosts=AS_IS, is_trusted=False)
    assert [kind.name for kind in lab.device_types] == ["pi4"]


def test_all_that_is_wrong_is_told_with_file_and_line() -> None:
    text = "devices:\n  a:\n    colour: red\n  b: 5\n- x"
    assert problems(text)[0].startswith("instance.yaml (line 5): not YAML")
    text = "devices:\n  a:\n    colour: red\n  b: 5\nhosts: 7\nlabels: {}\ntags: [{}]\n"
    assert problems(text) == [
        "instance.yaml: devices.a.colour (line 3): unknown key",
        "instance.yaml: devices.b (line 4): must be a mapping",
        "instance.yaml: hosts (line 5): must be a mapping or a list",
        f"instance.yaml: labels (line 6): unknown key; known are {KNOWN}",
        "instance.yaml: tags[0] (line 7): needs a name",
    ]


def test_a_health_that_there_is_not_is_refused() -> None:
    (problem,) = problems("devices: {a: {health: splendid}}")
    assert problem == "instance.yaml: devices.a (line 1): 'splendid' is no health of a device"


def test_templates_are_taken_from_a_shelf_as_far_as_they_are_needed() -> None:
    shelf = {
        "pi4.jinja2": "{% extends 'base.jinja2' %}",
        "base-uboot.jinja2": "{% include 'base.jinja2' %}",
        "base.jinja2": "{% import 'base.jinja2' as again %}",
        "unused.jinja2": "x",
    }
    found = reachable(read_lab({}, FILES, hosts=AS_IS, is_trusted=False), shelf)
    assert {template.name for template in found} == {"base-uboot", "base"}
    assert isinstance(found[0], WantedTemplate)
