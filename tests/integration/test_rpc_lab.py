"""The lab over XML-RPC: devices, types, workers, tags, aliases, tokens, groups and users."""

from __future__ import annotations

import pytest
import yaml

from tests.integration.rpc_client import Rpc
from tests.integration.web_site import Person, Site

DICTIONARY = "{% extends 'shell.jinja2' %}\n"


@pytest.fixture
def call(site: Site, admin: Person) -> Rpc:
    """Return what calls as an admin of a lab with one board."""
    site.device()
    return Rpc(site, admin)


def test_a_device_is_listed_and_shown(call: Rpc) -> None:
    assert call("scheduler.devices.list") == [
        {
            "hostname": "board-1",
            "type": "shell",
            "health": "Good",
            "state": "Idle",
            "current_job": None,
            "pipeline": True,
        }
    ]
    assert call("scheduler.devices.show", "board-1") == {
        "hostname": "board-1",
        "device_type": "shell",
        "health": "Good",
        "state": "Idle",
        "health_job": False,
        "description": "",
        "pipeline": True,
        "has_device_dict": True,
        "worker": "rack",
        "current_job": None,
        "tags": [],
        "permissions": [],
    }
    assert call.fault("scheduler.devices.show", "none").faultCode == 404
    assert call("scheduler.all_devices") == [["board-1", "shell", "idle", None, True]]
    (counted,) = call("scheduler.all_device_types")
    assert counted == {"name": "shell", "idle": 1, "busy": 0, "offline": 0}
    assert call("scheduler.get_device_status", "board-1")["status"] == "idle"
    verdicts = yaml.safe_load(call("scheduler.validate_pipeline_devices"))
    assert verdicts == {"board-1": {"Valid": None}}


def test_a_device_is_added_changed_and_removed(site: Site, call: Rpc) -> None:
    add = "scheduler.devices.add"
    call(add, "board-2", "shell", "rack", None, None, None, "MAINTENANCE", "new")
    shown = call("scheduler.devices.show", "board-2")
    assert (shown["health"], shown["description"]) == ("Maintenance", "new")
    assert shown["has_device_dict"] is False
    assert call.fault("scheduler.devices.get_dictionary", "board-2").faultCode == 404
    assert call("scheduler.devices.set_dictionary", "board-2", DICTIONARY) is True
    assert call("scheduler.devices.get_dictionary", "board-2").decode() == DICTIONARY
    rendered = call("scheduler.devices.get_dictionary", "board-2", True, "{arch: amd64}")
    assert isinstance(yaml.safe_load(rendered), dict)
    assert call.fault("scheduler.devices.get_dictionary", "board-2", True, "[").faultCode == 400
    update = "scheduler.devices.update"
    call(update, "board-2", None, None, None, None, "GOOD", "old", None, "it works")
    assert call("scheduler.devices.show", "board-2")["health"] == "Good"
    assert call.fault(update, "board-2", None, None, None, None, "WELL").faultCode == 400
    assert call.fault(update, "board-2", "nowhere").faultCode == 404
    assert call.fault(add, "board-2", "shell", "rack").faultCode == 400
    assert call.fault(add, "board-3", "none", "rack").faultCode == 404
    assert call.fault(add, "board-3", "shell", "none").faultCode == 404
    call("scheduler.put_into_maintenance_mode", "board-2", "broken")
    assert call("scheduler.get_device_status", "board-2")["status"] == "offline"
    call("scheduler.put_into_online_mode", "board-2", "mended", True)
    assert call("scheduler.devices.show", "board-2")["health"] == "Good"
    call("scheduler.devices.delete", "board-2")
    assert call.fault("scheduler.devices.show", "board-2").faultCode == 404


def test_a_device_with_jobs_is_not_removed(site: Site, admin: Person, call: Rpc) -> None:
    site.finished_job(admin, site.device("board-9"))
    assert call.fault("scheduler.devices.delete", "board-9").faultCode == 400


def test_tags_are_given_to_devices_and_described(call: Rpc) -> None:
    call("scheduler.devices.tags.add", "board-1", "usb")
    assert call("scheduler.devices.tags.list", "board-1") == ["usb"]
    assert call("scheduler.tags.show", "usb")["devices"] == ["board-1"]
    assert call.fault("scheduler.tags.add", "usb", "x").faultCode == 400
    call("scheduler.devices.tags.delete", "board-1", "usb")
    assert call.fault("scheduler.devices.tags.delete", "board-1", "usb").faultCode == 404
    call("scheduler.tags.add", "usb", "has a stick")
    assert call("scheduler.tags.list") == [{"name": "usb", "description": "has a stick"}]
    assert call.fault("scheduler.tags.add", "usb", "x").faultCode == 400
    call("scheduler.tags.delete", "usb")
    assert call.fault("scheduler.tags.show", "usb").faultCode == 404


def test_rights_of_groups_are_given_and_taken(
    site: Site, ann: Person, bob: Person, call: Rpc
) -> None:
    site.group("testers", ann)
    call("scheduler.devices.perms_add", "board-1", "testers", "view_device")
    rights = [{"name": "view_device", "group": "testers"}]
    assert call("scheduler.devices.perms_list", "board-1") == rights
    assert call("scheduler.devices.show", "board-1")["permissions"] == rights
    assert Rpc(site, ann)("scheduler.devices.show", "board-1")["hostname"] == "board-1"
    assert Rpc(site, bob).fault("scheduler.devices.show", "board-1").faultCode == 403
    assert Rpc(site, bob)("scheduler.devices.list") == []
    call("scheduler.devices.perms_delete", "board-1", "testers", "view_device")
    assert call("scheduler.devices.perms_list", "board-1") == []
    call("scheduler.device_types.perms_add", "shell", "testers", "change_devicetype")
    assert call("scheduler.device_types.perms_list", "shell")[0]["name"] == "change_devicetype"
    assert Rpc(site, ann)("scheduler.device_types.set_template", "shell", "x") is None
    assert call.fault("scheduler.devices.perms_add", "board-1", "testers", "own").faultCode == 400
    assert (
        call.fault("scheduler.devices.perms_add", "board-1", "none", "view_device").faultCode == 404
    )


def test_a_device_type_is_shown_changed_and_has_further_names(call: Rpc) -> None:
    types = call("scheduler.device_types.list")
    assert types == [{"name": "shell", "devices": 1, "installed": True, "template": True}]
    every = {one["name"]: one for one in call("scheduler.device_types.list", True)}
    assert every["qemu"] == {"name": "qemu", "devices": 0, "installed": False, "template": True}
    call("scheduler.device_types.add", "board", "a kind", True, False, 12, "jobs")
    call("scheduler.device_types.update", "board", "kind", False, None, 6, "hours", True)
    call("scheduler.device_types.aliases.add", "board", "brett")
    assert call("scheduler.device_types.show", "board") == {
        "name": "board",
        "description": "kind",
        "display": False,
        "health_disabled": True,
        "health_denominator": "hours",
        "health_frequency": 6,
        "owners_only": False,
        "aliases": ["brett"],
        "devices": [],
        "default_template": True,
        "permissions": [],
    }
    assert call("scheduler.aliases.list") == ["brett"]
    assert call("scheduler.aliases.show", "brett") == {"name": "brett", "device_type": "board"}
    assert call("scheduler.get_device_type_by_alias", "ret") == {"ret": ["board"]}
    call("scheduler.aliases.delete", "brett")
    call("scheduler.aliases.add", "planche", "board")
    call("scheduler.device_types.aliases.delete", "board", "planche")
    assert call("scheduler.device_types.aliases.list", "board") == []
    assert call.fault("scheduler.aliases.show", "brett").faultCode == 404
    assert call.fault("scheduler.device_types.show", "none").faultCode == 404
    assert (
        call.fault("scheduler.device_types.add", "board", "", True, False, 1, "jobs").faultCode
        == 400
    )
    assert (
        call.fault("scheduler.device_types.add", "b", "", True, False, 1, "days").faultCode == 400
    )
    (device,) = call("scheduler.device_types.devices", "shell", "good")
    assert device == {"hostname": "board-1", "health": "Good", "state": "Idle"}
    assert call("scheduler.device_types.devices", "shell", "BAD") == []


def test_templates_and_health_checks_of_types_are_kept(call: Rpc) -> None:
    packaged = call("scheduler.device_types.get_template", "shell")
    assert packaged
    call("scheduler.device_types.set_template", "shell", "{# ours #}")
    assert call("scheduler.device_types.get_template", "shell") == b"{# ours #}"
    assert call("scheduler.device_types.show", "shell")["default_template"] is False
    call("scheduler.device_types.set_template", "shell", None)
    assert call("scheduler.device_types.get_template", "shell") == packaged
    assert call.fault("scheduler.device_types.get_template", "../../etc/passwd").faultCode == 400
    assert call.fault("scheduler.device_types.get_template", "none").faultCode == 404
    assert call("scheduler.device_types.get_health_check", "shell") == b""
    wrong = call.fault("scheduler.device_types.set_health_check", "shell", "job_name: x")
    assert wrong.faultCode == 400


def test_a_worker_is_shown_changed_and_keeps_files(call: Rpc) -> None:
    assert call("scheduler.workers.list") == ["rack"]
    shown = call("scheduler.workers.show", "rack")
    assert (shown["state"], shown["health"], shown["devices"]) == ("Online", "Active", ["board-1"])
    assert (shown["job_limit"], shown["last_ping"], shown["default_env"]) == (0, None, True)
    call("scheduler.workers.update", "rack", "by the window", None, 3)
    for kind in ("config", "env", "env_dut"):
        assert call.fault(f"scheduler.workers.get_{kind}", "rack").faultCode == 404
        assert call(f"scheduler.workers.set_{kind}", "rack", f"{kind}: 1") is True
        assert call(f"scheduler.workers.get_{kind}", "rack") == f"{kind}: 1".encode()
    call("scheduler.workers.set_env", "rack", "")
    shown = call("scheduler.workers.show", "rack")
    assert (shown["description"], shown["job_limit"]) == ("by the window", 3)
    assert (shown["default_config"], shown["default_env"]) == (False, True)
    call("scheduler.workers.update", "rack", None, "RETIRED")
    assert call("scheduler.workers.list") == []
    assert call("scheduler.workers.list", True) == ["rack"]
    assert call("scheduler.devices.list") == []
    assert call.fault("scheduler.workers.update", "rack", None, "TIRED").faultCode == 400
    assert call.fault("scheduler.workers.update", "rack", None, None, -1).faultCode == 400
    assert call.fault("scheduler.workers.show", "none").faultCode == 404
    assert call.fault("scheduler.workers.delete", "rack").faultCode == 400
    call("scheduler.workers.add", "shelf", "new", True)
    assert call("scheduler.workers.show", "shelf")["health"] == "Retired"
    assert call.fault("scheduler.workers.add", "shelf").faultCode == 400
    call("scheduler.workers.delete", "shelf")


def test_remote_tokens_are_ones_own(site: Site, ann: Person, bob: Person) -> None:
    own, other = Rpc(site, ann), Rpc(site, bob)
    own("scheduler.remote_artifact_tokens.add", "store", "s3cret")
    assert own("scheduler.remote_artifact_tokens.list") == [{"name": "store", "token": "s3cret"}]
    assert own("scheduler.remote_artifact_tokens.show", "store") == "s3cret"
    assert other("scheduler.remote_artifact_tokens.list") == []
    assert other.fault("scheduler.remote_artifact_tokens.show", "store").faultCode == 404
    assert own.fault("scheduler.remote_artifact_tokens.add", "store", "x").faultCode == 400
    own("scheduler.remote_artifact_tokens.delete", "store")
    assert own.fault("scheduler.remote_artifact_tokens.delete", "store").faultCode == 404


def test_users_and_groups_are_kept_by_admins(call: Rpc) -> None:
    call("auth.users.add", "eve", "Eve", "Exe", "eve@example.org", True, True, False, False)
    shown = call("auth.users.show", "eve")
    assert (shown["first_name"], shown["email"]) == ("Eve", "eve@example.org")
    assert (shown["is_staff"], shown["is_superuser"], shown["last_login"]) == (True, False, None)
    call("auth.users.update", "eve", None, "Wye", None, False)
    (listed,) = [user for user in call("auth.users.list") if user["username"] == "eve"]
    assert (listed["last_name"], listed["is_active"]) == ("Wye", False)
    call("auth.groups.add", "testers")
    call("auth.users.groups.add", "eve", "testers")
    call("auth.users.groups.add", "eve", "made on the way".replace(" ", "-"))
    assert call("auth.users.groups.list", "eve") == ["made-on-the-way", "testers"]
    assert call("auth.groups.show", "testers")["users"] == ["eve"]
    assert set(call("auth.groups.list")) == {"made-on-the-way", "testers"}
    call("auth.users.groups.delete", "eve", "testers")
    assert call("auth.groups.perms.list", "testers") == call("auth.users.perms.list", "eve") == []
    refused = call.fault("auth.groups.perms.add", "testers", "lava", "device", "view_device")
    assert "rights on devices" in refused.faultString
    assert call.fault("auth.users.add", "eve").faultCode == 400
    assert call.fault("auth.users.add", "e v e").faultCode == 400
    assert call.fault("auth.groups.add", "testers").faultCode == 400
    call("auth.groups.delete", "testers")
    call("auth.users.delete", "eve")
    assert call.fault("auth.users.show", "eve").faultCode == 404
    assert call.fault("auth.groups.show", "testers").faultCode == 404
