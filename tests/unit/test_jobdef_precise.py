"""The precise check: the same verdicts as LAVA's, lax and strict, and words a submitter understands."""

from __future__ import annotations

import pytest
import yaml

from labq.services.validation import CheckLevel, Verdict, validate
from tests.unit import jobs

LAX, STRICT = CheckLevel.LAX, CheckLevel.STRICT
TIMEOUT = {"minutes": 1}
URL = {"url": "http://x/image"}
OVERLAY = {"url": "http://x/o.tar", "format": "tar", "path": "/"}
DEVICE_ROLE = {"device_type": "qemu", "count": 1}
CONNECTION_ROLE = {"connection": "ssh", "count": 1, "expect_role": "a", "host_role": "a"}


def verdict(level: CheckLevel, **changes: object) -> Verdict:
    return validate(jobs.text(**changes), level)


def told(level: CheckLevel, **changes: object) -> list[str]:
    return [f"{one.path}: {one.message}" for one in verdict(level, **changes).problems]


def both(**changes: object) -> str:
    """Return `ok`, `lax` for what only a lax check takes, or `no`."""
    strict, lax = (verdict(level, **changes).is_valid for level in (STRICT, LAX))
    assert lax or not strict
    return "ok" if strict else "lax" if lax else "no"


def action(kind: str, **block: object) -> str:
    return both(actions=[{kind: block}])


def image(to: str = "tmpfs", **keys: object) -> str:
    return action("deploy", to=to, images={"rootfs": {**URL, **keys}})


def item(**keys: object) -> str:
    base = {"repository": "http://x/t.git", "from": "git", "name": "a", "path": "a.yaml"}
    return action("test", definitions=[{**base, **keys}])


def inline(**keys: object) -> str:
    metadata = {"format": "Lava-Test Test Definition 1.0", "name": "a"}
    definition = {"metadata": metadata, "run": {"steps": ["true"]}, **keys}
    return item(**{"from": "inline"}, repository=definition)


def group(roles: dict[object, object], **changes: object) -> str:
    protocols = {"lava-multinode": {"roles": roles}}
    return both(**{"device_type": None, "protocols": protocols, **changes})


def test_a_small_job_passes() -> None:
    assert both() == "ok"


def test_all_problems_are_told_at_once_with_their_lines() -> None:
    text = jobs.text(
        job_name=5,
        actions=[
            {"deploy": {"to": "tmpfs", "images": {"rootfs": {"compression": "rar"}}}},
            {"boot": {"method": "qemu", "prompts": [1, ""], "frobnicate": 1}},
        ],
        colour="red",
    )
    found = validate(text, STRICT).problems
    assert [(one.path, one.line) for one in found] == [
        ("job_name", 1),
        ("actions[0].deploy.images.rootfs", 11),
        ("actions[0].deploy.images.rootfs.compression", 12),
        ("actions[1].boot.prompts[0]", 16),
        ("actions[1].boot.prompts[1]", 17),
        ("actions[1].boot.frobnicate", 18),
        ("colour", 19),
    ]
    messages = [one.message for one in found]
    assert messages[1] == "needs the key 'url'"
    assert messages[2] == "must be 'bz2', 'gz', 'xz', 'zip' or 'zstd', not 'rar'"
    assert messages[3:5] == ["must be a string, not an integer", "must not be empty"]
    assert messages[5:] == ["unknown key", "unknown key"]


def test_what_is_no_yaml_is_told_at_every_level() -> None:
    for level in CheckLevel:
        found = validate("a: 1\nb: }", level)
        assert (found.is_valid, found.problems[0].line) == (False, 2)
        assert validate("[]", level).problems[0].message.startswith("must be a mapping")


def test_the_answer_of_lava_names_the_first_problem() -> None:
    assert verdict(LAX).as_lava() == {}
    assert verdict(LAX, job_name=5).as_lava() == {
        "path": "['job_name']",
        "msg": "must be a string, not an integer",
    }


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [
        ({"minutes": 1}, "ok"),
        ({"minutes": 1.5, "skip": True}, "ok"),
        ({"days": True}, "ok"),
        ({"minutes": 1, "seconds": 5}, "lax"),
        ({"minutes": 1, "weeks": "5"}, "lax"),
        ({"minutes": 0, "hours": 1}, "lax"),
        ({"minutes": 0}, "no"),
        ({"minutes": 0.5}, "no"),
        ({"minutes": -1}, "no"),
        ({"minutes": "5"}, "no"),
        ({"minutes": None}, "no"),
        ({"minutes": [5]}, "no"),
        ({"minutes": 1, "skip": "yes"}, "no"),
        ({"weeks": 1}, "no"),
        ({"skip": True}, "no"),
        ({}, "no"),
        (None, "no"),
        (5, "no"),
        ([], "no"),
    ],
)
def test_a_timeout_has_one_unit_of_at_least_1(timeout: object, expected: str) -> None:
    assert both(timeouts={"job": {"days": 2}, "queue": timeout}) == expected
    long = {"job": {"days": 2}}
    assert both(timeouts=long, actions=[{"command": {"name": "x", "timeout": timeout}}]) == expected
    named = {"command": {"name": "x", "timeouts": {"a": timeout}}}
    assert both(timeouts=long, actions=[named]) == expected


@pytest.mark.parametrize("key", ["action", "connection"])
def test_no_timeout_is_longer_than_that_of_the_job(key: str) -> None:
    assert both(timeouts={"job": {"minutes": 10}, key: {"seconds": 600}}) == "ok"
    assert both(timeouts={"job": {"minutes": 10}, key: {"seconds": 601}}) == "no"
    assert both(timeouts={"job": {"minutes": 10}, f"{key}s": {"x": {"seconds": 601}}}) == "no"
    assert both(timeouts={"job": {"minutes": 10}, f"{key}s": {"X y": {"seconds": 1}}}) == "ok"
    assert both(timeouts={"job": {"minutes": 10}, f"{key}s": {5: {"seconds": 1}}}) == "lax"
    assert both(timeouts={"job": {"minutes": 10}, f"{key}s": {5: 5}}) == "no"
    assert both(timeouts={"job": {"minutes": 10}, f"{key}s": {5: None}}) == "lax"


def test_a_block_ends_before_its_job_but_a_queue_need_not() -> None:
    assert action("command", name="x", timeout={"minutes": 10}) == "ok"
    assert action("command", name="x", timeout={"minutes": 11}) == "no"
    assert both(timeouts={"job": {"minutes": 1}, "queue": {"days": 9}}) == "ok"
    assert both(timeouts={"job": {"days": 999_999_999}}) == "ok"
    assert both(timeouts={"job": {"days": 1_000_000_000}}) == "no"
    odd = {"minutes": 1, "seconds": "5"}
    assert both(timeouts={"job": {"minutes": 1}, "queue": odd}) == "lax"
    assert both(timeouts={"job": {"minutes": 1}, "action": odd}) == "no"
    assert action("command", name="x", timeout=odd) == "no"
    two = {"minutes": 9, "seconds": 61}
    assert both(timeouts={"job": {"minutes": 10}, "action": two}) == "no"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"job_name": "x" * 200}, "ok"),
        ({"job_name": "x" * 201}, "no"),
        ({"job_name": ""}, "no"),
        ({"device_type": "x" * 201}, "no"),
        ({"device_type": ""}, "no"),
        ({"device_type": None}, "no"),
        ({"device": "board-1", "worker": "host-1"}, "ok"),
        ({"worker": ""}, "no"),
        ({"visibility": {"group": ["a"]}}, "ok"),
        ({"visibility": {"group": "a"}}, "no"),
        ({"visibility": {"groups": ["a"]}}, "lax"),
        ({"visibility": "all"}, "no"),
        ({"priority": 100}, "ok"),
        ({"priority": 0.5}, "ok"),
        ({"priority": True}, "ok"),
        ({"priority": 101}, "no"),
        ({"priority": -1}, "no"),
        ({"priority": "50"}, "no"),
        ({"priority": "medium"}, "ok"),
        ({"tags": []}, "ok"),
        ({"tags": [5]}, "no"),
        ({"tags": "usb"}, "no"),
        ({"context": {"arch": "arm64", "extra_options": ["-a", 1]}}, "ok"),
        ({"context": {"arch": ["a", ["b"]]}}, "no"),
        ({"context": {"arch": 1.5}}, "no"),
        ({"context": {"favourite": 1}}, "no"),
        ({"metadata": {"a": {"b": [1]}}}, "ok"),
        ({"metadata": {5: 1}}, "lax"),
        ({"metadata": []}, "no"),
        ({"secrets": {"a": "b"}}, "ok"),
        ({"secrets": {"a": 5}}, "no"),
        ({"secrets": {5: 5}}, "lax"),
        ({"environment": {"a": 5, 5: "a"}}, "ok"),
        ({"environment": []}, "no"),
        ({"reboot_to_fastboot": False}, "ok"),
        ({"reboot_to_fastboot": "no"}, "no"),
        ({"frobnicate": 1}, "lax"),
        ({"protocols": {"lava-lxc": {}}}, "lax"),
        ({"protocols": {"lava-xnbd": {"port": "auto"}}}, "ok"),
        ({"protocols": {"lava-xnbd": {"port": 55950, "timeout": TIMEOUT}}}, "ok"),
        ({"protocols": {"lava-xnbd": {"port": "some"}}}, "no"),
        ({"protocols": {"lava-xnbd": {}}}, "no"),
        ({"protocols": []}, "no"),
        ({"actions": {}}, "no"),
        ({"actions": [5]}, "no"),
        ({"actions": [{}]}, "no"),
        ({"actions": [{"dance": {}}]}, "no"),
    ],
)
def test_keys_of_a_job_have_their_kinds(changes: dict[str, object], expected: str) -> None:
    assert both(**changes) == expected


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (DEVICE_ROLE, "ok"),
        ({**DEVICE_ROLE, "count": 0, "essential": True, "tags": ["a"], "timeout": TIMEOUT}, "ok"),
        ({**DEVICE_ROLE, "device": "b", "worker": "h", "environment": {}, "context": {}}, "ok"),
        ({**DEVICE_ROLE, "count": "1"}, "no"),
        ({**DEVICE_ROLE, "count": -1}, "no"),
        ({**DEVICE_ROLE, "essential": "yes"}, "no"),
        ({**DEVICE_ROLE, "context": {"favourite": 1}}, "no"),
        ({**DEVICE_ROLE, "request": "lava-start"}, "lax"),
        ({"device_type": "qemu"}, "no"),
        (CONNECTION_ROLE, "ok"),
        ({**CONNECTION_ROLE, "request": "lava-start"}, "ok"),
        ({**CONNECTION_ROLE, "device": "b"}, "lax"),
        ({**CONNECTION_ROLE, "host_role": None}, "no"),
        ({**CONNECTION_ROLE, "device_type": "qemu", "host_role": None}, "lax"),
        ("qemu", "no"),
    ],
)
def test_a_role_has_a_device_or_a_connection(role: object, expected: str) -> None:
    assert group({"a": role}) == expected


def test_a_group_has_roles_and_leaves_the_rest_to_them() -> None:
    act = {"command": {"name": "x", "role": ["a"]}}
    assert group({"a": DEVICE_ROLE}, actions=[act]) == "ok"
    assert group({"a": DEVICE_ROLE}, actions=[{"command": {"name": "x"}}]) == "no"
    assert group({"a": DEVICE_ROLE}, actions=[{"command": {"name": "x", "role": "a"}}]) == "no"
    assert group({5: 5, "a": DEVICE_ROLE}) == "lax"
    for key, value in {
        "device_type": "qemu",
        "context": {"arch": "arm64"},
        "environment": {"A": "b"},
        "tags": ["usb"],
    }.items():
        assert group({"a": DEVICE_ROLE}, **{key: value}) == "no"
    assert group({"a": DEVICE_ROLE}, tags=[], context={}) == "ok"
    assert both(device_type=None, protocols={"lava-multinode": {}}) == "no"
    with_group = {"lava-multinode": {"roles": {"a": DEVICE_ROLE}, "target_group": "x"}}
    assert both(device_type=None, protocols=with_group) == "lax"


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({"status": "all"}, "ok"),
        ({"status": "finished", "dependency_query": "x"}, "ok"),
        ({"status": "complete", "type": "regression"}, "ok"),
        ({"status": "finished", "type": "regression"}, "lax"),
        ({"status": "all", "type": 5}, "lax"),
        ({"status": "complete", "type": "regression", "dependency_query": "x"}, "lax"),
        ({"status": "complete", "type": "drift", "dependency_query": 5}, "no"),
        ({"status": "running", "dependency_query": 5}, "no"),
        ({"status": "waiting"}, "no"),
        ({}, "no"),
        ("all", "no"),
    ],
)
def test_criteria_of_notifications_have_three_forms(criteria: object, expected: str) -> None:
    assert both(notify={"criteria": criteria}) == expected


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        ({"verbosity": "quiet", "callback": {"url": "x", "header": "X", "token": "t"}}, "ok"),
        ({"callbacks": [{"url": "x", "method": "GET", "content-type": "json"}]}, "ok"),
        ({"callback": {"url": "x"}, "callbacks": []}, "no"),
        ({"callback": {"url": "x", "method": "PUT"}}, "no"),
        ({"callback": {"url": "x", "header": 5}}, "no"),
        ({"callback": {"url": "x", "colour": 5}}, "lax"),
        ({"callbacks": {"url": "x"}}, "no"),
        ({"recipients": [{"to": {"method": "irc", "handle": "a", "server": "b"}}]}, "ok"),
        ({"recipients": [{"to": {"method": "fax"}}]}, "no"),
        ({"recipients": [{"to": {"method": "irc"}, "cc": 5}]}, "lax"),
        ({"compare": {"query": {"entity": "a", "conditions": {"a": "b"}}}}, "ok"),
        ({"compare": {"query": {"entity": "a", "conditions": {"a": 5}}}}, "no"),
        ({"compare": {"query": {"username": "a", "name": "b"}, "blacklist": ["x"]}}, "ok"),
        ({"compare": {"query": {"username": "a"}}}, "no"),
        ({"verbosity": "loud"}, "no"),
    ],
)
def test_notifications_have_their_keys(notify: dict[str, object], expected: str) -> None:
    assert both(notify={"criteria": {"status": "all"}, **notify}) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"namespace": "dut", "connection-namespace": "dut", "role": ["a"]}, "ok"),
        ({"namespace": "common"}, "no"),
        ({"namespace": "docker-test-shell"}, "no"),
        ({"namespace": 5}, "no"),
        ({"namespace": None}, "no"),
        ({"protocols": None}, "ok"),
        ({"role": "a"}, "no"),
        ({"role": [5]}, "no"),
        ({"repeat": 1}, "ok"),
        ({"repeat": 1.5}, "ok"),
        ({"repeat": True}, "ok"),
        ({"repeat": 0}, "no"),
        ({"repeat": "3"}, "no"),
        ({"failure_retry": 3, "failure_retry_interval": 1}, "ok"),
        ({"failure_retry": None}, "no"),
        ({"failure_retry_interval": 0}, "no"),
        ({"repeat": 2, "failure_retry": 2}, "ok"),
        ({"timeouts": {5: TIMEOUT}}, "lax"),
        ({"frobnicate": 1}, "lax"),
        ({"name": 5}, "no"),
    ],
)
def test_every_block_has_the_same_keys(keys: dict[str, object], expected: str) -> None:
    assert action("command", **{"name": "x", **keys}) == expected


def test_namespaces_are_for_all_actions_or_none() -> None:
    named, bare = {"command": {"name": "x", "namespace": "a"}}, {"command": {"name": "x"}}
    assert both(actions=[named, named]) == "ok"
    assert both(actions=[named, bare]) == "no"
    assert told(LAX, actions=[named, bare]) == [
        "actions[1].command: needs the key 'namespace', as other actions have one"
    ]


@pytest.mark.parametrize("key", [None, 5, "", True])
def test_a_key_of_any_kind_is_an_unknown_one(key: object) -> None:
    for act in ({"command": {"name": "x", key: 1}}, {"deploy": {"to": "overlay", key: 1}}):
        assert both(actions=[act]) == "lax"


def test_an_action_of_no_kind_is_told_of_once() -> None:
    kinds = "its first key must be one of: boot, command, deploy, test"
    odd: list[dict[str, object]] = [{}, {"dance": {}}, {"dance": {}, "boot": {}}]
    for act in odd:
        assert told(LAX, actions=[act]) == [f"actions[0]: {kinds}"]


def test_only_the_first_key_of_an_action_is_looked_at() -> None:
    text = yaml.safe_dump({"command": {"name": "x"}, "boot": {"method": "none"}}, sort_keys=False)
    assert both(actions=[yaml.safe_load(text)]) == "ok"
    text = yaml.safe_dump({"boot": {"method": "none"}, "command": {"name": "x"}}, sort_keys=False)
    assert both(actions=[yaml.safe_load(text)]) == "no"


@pytest.mark.parametrize(
    ("act", "message"),
    [
        ({"deploy": {"to": "floppy"}}, "actions[0].deploy.to: no deploy method is called 'floppy'"),
        ({"deploy": {"to": "lxc"}}, "actions[0].deploy.to: LAVA has no LXC any more"),
        ({"boot": {"method": "lxc"}}, "actions[0].boot.method: LAVA has no LXC any more"),
        ({"boot": {"prompts": []}}, "actions[0].boot: must name a method by the key method"),
        ({"boot": {"method": 5}}, "actions[0].boot.method: must name a method"),
        ({"boot": {"method": "u_boot"}}, "actions[0].boot.method: no boot method is called"),
        ({"test": {"dance": 1}}, "actions[0].test: must name a method by the key definitions or"),
    ],
)
def test_a_method_that_nobody_knows_is_named(act: object, message: str) -> None:
    assert told(LAX, actions=[act])[0].startswith(message)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"compression": "gz", "image_arg": "-hda {rootfs}", "use_cache": False}, "ok"),
        ({"compression": None, "headers": {"a": 5}, "md5sum": "x"}, "ok"),
        ({"compression": "rar"}, "no"),
        ({"archive": "tar"}, "ok"),
        ({"archive": "zip"}, "no"),
        ({"archive": None}, "no"),
        ({"url": None}, "no"),
        ({"url": ""}, "ok"),
        ({"sha256sum": 5}, "no"),
        ({"headers": []}, "no"),
        ({"use_cache": "no"}, "no"),
        ({"colour": 1}, "lax"),
        ({"format": "qcow2"}, "ok"),
        ({"format": "ext4"}, "no"),
        ({"format": "ext4", "overlays": {"lava": True, "a": OVERLAY}}, "ok"),
        ({"overlays": {"lava": True}}, "ok"),
        ({"format": "ext4", "overlays": {"a": {**OVERLAY, "format": "zip"}}}, "no"),
        ({"format": "ext4", "overlays": {"lava": "yes"}}, "no"),
        ({"format": "ext4", "overlays": {"a": True}}, "no"),
        ({"format": "qcow2", "overlays": {"lava": True}}, "lax"),
        ({"partition": 1}, "lax"),
        ({"format": "tar", "overlays": {}, "partition": 1, "sparse": True}, "ok"),
        ({"format": "tar", "overlays": {}, "partition": "1"}, "no"),
    ],
)
def test_an_image_has_its_keys_with_overlays_and_without(
    keys: dict[str, object], expected: str
) -> None:
    assert image("tmpfs", **keys) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"sparse": False, "reboot": "hard-reset", "apply-overlay": True}, "ok"),
        ({"apply_overlay": True}, "lax"),
        ({"reboot": "soft"}, "no"),
        ({"root_partition": 0}, "ok"),
        ({"root_partition": -1}, "no"),
        ({"format": "ext4"}, "lax"),
        ({"overlays": {"lava": True}}, "lax"),
        ({"format": "ext4", "overlays": {"lava": True}, "overlay_backend": "guestfs"}, "ok"),
        ({"format": "vfat", "overlays": 5}, "lax"),
    ],
)
def test_an_image_of_other_methods_needs_a_format_for_its_overlays(
    keys: dict[str, object], expected: str
) -> None:
    assert image("fastboot", **keys) == expected


def test_images_are_not_empty() -> None:
    for images in ({}, {5: URL}):
        assert action("deploy", to="tmpfs", images=images) == "no"
    assert action("deploy", to="tmpfs", images={5: 5, "a": URL}) == "lax"
    assert action("deploy", to="tmpfs") == "no"


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ({}, "ok"),
        ({"password_prompt": "Password:", "password": "x"}, "ok"),
        ({"password": "x"}, "lax"),
        ({"password_prompt": "Password:", "password": 5}, "lax"),
        ({"login_prompt": ""}, "no"),
        ({"username": None}, "no"),
        ({"login_commands": ["su", ""]}, "no"),
        ({"login_commands": [""], "password_prompt": "Password:", "password": "x"}, "ok"),
        ({"login_commands": [""], "password_prompt": "Password:", "password": 5}, "no"),
        ({"login_commands": [5]}, "no"),
        ({"login_commands": "su"}, "no"),
    ],
)
def test_a_login_has_a_password_with_its_prompt(login: dict[str, object], expected: str) -> None:
    auto_login = {"login_prompt": "login:", "username": "root", **login}
    given = {key: value for key, value in auto_login.items() if value is not None}
    assert action("boot", method="qemu", auto_login=given) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"prompts": "#", "media": "tmpfs", "connection": "serial"}, "ok"),
        ({"prompts": ["#", "$"]}, "ok"),
        ({"prompts": []}, "ok"),
        ({"prompts": [""]}, "no"),
        ({"prompts": ""}, "no"),
        ({"prompts": 5}, "no"),
        ({"prompts": None}, "no"),
        ({"media": "nfs"}, "no"),
        ({"parameters": {"kernel-start-message": "", "shutdown-message": "x"}}, "ok"),
        ({"parameters": {"kernel-start-message": False}}, "no"),
        ({"parameters": {"kernel_start_message": "x"}}, "lax"),
        ({"soft_reboot": "reboot"}, "ok"),
        ({"soft_reboot": ["reboot", 5]}, "no"),
        ({"transfer_overlay": {"download_command": "wget", "unpack_command": "tar"}}, "ok"),
        ({"transfer_overlay": {"unpack_command": "tar"}}, "no"),
        ({"transfer_overlay": {"unpack_command": "tar", "transfer_method": "zmodem"}}, "ok"),
        ({"docker": {"image": "debian:12", "binary": "qemu"}}, "ok"),
        ({"docker": {"image": "debian:12\n"}}, "ok"),
        ({"docker": {"image": "Debian 12"}}, "no"),
        ({"docker": {"name": "debian:12"}}, "no"),
        ({"docker": {"image": "debian", "login": {"registry": "x", "user": "y"}}}, "no"),
        ({"ignore_kernel_messages": True, "failure_message": "x"}, "ok"),
    ],
)
def test_a_boot_has_its_keys(keys: dict[str, object], expected: str) -> None:
    assert action("boot", method="qemu", **keys) == expected


@pytest.mark.parametrize(
    ("commands", "expected"),
    [("ramdisk", "ok"), (["a", "b"], "ok"), ([], "ok"), (5, "no"), (["a", 5], "no"), (None, "no")],
)
def test_commands_are_a_name_or_a_list(commands: object, expected: str) -> None:
    assert action("boot", method="u-boot", commands=commands) == expected


BLOCKS: tuple[tuple[str, dict[str, object], str], ...] = (
    ("deploy", {"to": "avh", "images": {"a": {**URL, "type": "image", "format": "ext4"}}}, "ok"),
    ("deploy", {"to": "avh", "fw_package": {**URL, "storage_file": "x"}}, "ok"),
    ("deploy", {"to": "avh", "images": {"a": URL}, "fw_package": URL}, "lax"),
    ("deploy", {"to": "avh", "images": {"a": URL}, "fw_package": 5}, "lax"),
    ("deploy", {"to": "avh", "images": 5, "fw_package": URL}, "lax"),
    ("deploy", {"to": "avh", "images": 5, "fw_package": 5}, "no"),
    ("deploy", {"to": "avh", "options": {"model": "x"}}, "no"),
    ("deploy", {"to": "docker", "image": "debian:12"}, "ok"),
    ("deploy", {"to": "docker", "image": {"name": "debian:12", "local": True}}, "ok"),
    ("deploy", {"to": "docker", "image": "De bian"}, "no"),
    ("deploy", {"to": "download", "images": {"a": URL}, "postprocess": 5}, "lax"),
    ("deploy", {"to": "downloads", "images": {"a": URL}, "uniquify": True}, "ok"),
    ("deploy", {"to": "downloads", "images": {"a": URL}, "postprocess": {}}, "no"),
    ("deploy", {"to": "flasher", "images": {}}, "ok"),
    ("deploy", {"to": "flasher", "images": {"a": {**URL, "download": False}}}, "ok"),
    ("deploy", {"to": "fvp", "images": {"a": URL}, "ramdisk": {"header": "u-boot"}}, "ok"),
    ("deploy", {"to": "iso-installer", "images": {"iso": URL, "preseed": URL}}, "no"),
    ("deploy", {"to": "mps", "images": {"test_binary_1": {**URL, "rename": "x"}}}, "ok"),
    ("deploy", {"to": "mps", "images": {"other": URL}}, "lax"),
    ("deploy", {"to": "mps", "images": {}}, "no"),
    ("deploy", {"to": "musca", "images": {"test_binary": URL}}, "ok"),
    ("deploy", {"to": "musca", "images": {"binary": URL}}, "no"),
    ("deploy", {"to": "nbd", "kernel": URL, "nbdroot": URL, "initrd": URL}, "ok"),
    ("deploy", {"to": "nbd", "kernel": URL, "initrd": URL}, "no"),
    ("deploy", {"to": "nfs", "nfsrootfs": URL, "modules": URL}, "ok"),
    ("deploy", {"to": "nfs", "images": {"a": {**URL, "image_arg": "x"}}}, "ok"),
    ("deploy", {"to": "nfs", "images": {"a": URL}, "modules": URL}, "lax"),
    ("deploy", {"to": "nfs", "images": {}}, "lax"),
    ("deploy", {"to": "nfs", "images": {"a": URL}, "modules": 5}, "lax"),
    ("deploy", {"to": "nfs", "images": {}, "modules": 5}, "no"),
    ("deploy", {"to": "overlay"}, "ok"),
    ("deploy", {"to": "overlay", "os": 5}, "no"),
    ("deploy", {"to": "overlay", "authorize": "ssh", "overlay_backend": "auto"}, "ok"),
    ("deploy", {"to": "overlay", "authorize": "telnet"}, "no"),
    ("deploy", {"to": "qdl", "qcomflash": {**URL, "apply-overlay": True}}, "ok"),
    ("deploy", {"to": "recovery", "images": {"a": URL}}, "ok"),
    ("deploy", {"to": "sata", "device": "sda", "image": URL}, "ok"),
    ("deploy", {"to": "sd", "device": "sda", "images": {"image": URL, "bmap": URL}}, "ok"),
    ("deploy", {"to": "usb", "device": "sda", "images": {"bmap": URL}}, "no"),
    ("deploy", {"to": "usb", "device": "sda", "image": URL, "images": {"image": URL}}, "no"),
    ("deploy", {"to": "usb", "device": "sda", "image": URL, "writer": {"tool": "dd"}}, "no"),
    ("deploy", {"to": "ssh", "rootfs": URL}, "ok"),
    ("deploy", {"to": "tftp", "kernel": {**URL, "type": "zimage"}, "dtbo": [URL]}, "ok"),
    ("deploy", {"to": "tftp", "kernel": {**URL, "type": "bzimage"}}, "no"),
    ("deploy", {"to": "tftp", "kernel": URL, "extra_files": {"a": URL}, "tee": URL}, "ok"),
    (
        "deploy",
        {"to": "tftp", "kernel": URL, "nfsrootfs": URL, "persistent_nfs": {"address": "a:/b"}},
        "no",
    ),
    ("deploy", {"to": "tftp", "kernel": URL, "persistent_nfs": {"address": "a:/b"}}, "ok"),
    ("deploy", {"to": "tftp"}, "no"),
    ("deploy", {"to": "u-boot-ums", "image": {**URL, "root_partition": 1}}, "ok"),
    ("deploy", {"to": "usbg-ms", "image": URL}, "ok"),
    ("deploy", {"to": "uuu", "images": {"boot": URL, "a": {**URL, "apply-overlay": True}}}, "ok"),
    ("deploy", {"to": "uuu", "images": {"a": URL}}, "no"),
    ("deploy", {"to": "vemsd", "recovery_image": URL}, "ok"),
    ("boot", {"method": "avh", "prompts": "#", "bootargs": {"normal": "x"}}, "ok"),
    ("boot", {"method": "avh"}, "no"),
    ("boot", {"method": "barebox", "commands": "nfs"}, "ok"),
    ("boot", {"method": "bootloader", "bootloader": "u-boot", "reset_device": False}, "ok"),
    ("boot", {"method": "bootloader", "bootloader": "u-boot", "commands": "x"}, "no"),
    ("boot", {"method": "cmsis-dap"}, "ok"),
    ("boot", {"method": "cmsis-dap", "prompts": 5}, "lax"),
    ("boot", {"method": "depthcharge", "commands": "nfs", "extra_kernel_args": "x"}, "ok"),
    ("boot", {"method": "dfu"}, "ok"),
    ("boot", {"method": "docker", "command": "bash", "downloads-namespace": "a"}, "ok"),
    ("boot", {"method": "fastboot", "commands": ["getvar all"], "docker": {"image": "ab"}}, "ok"),
    ("boot", {"method": "fastboot", "commands": "getvar all"}, "no"),
    ("boot", {"method": "gdb", "commands": "attach", "container": "x"}, "ok"),
    ("boot", {"method": "grub", "commands": [], "boot_finished": "x", "expect_shell": False}, "ok"),
    ("boot", {"method": "grub-efi", "commands": "nfs"}, "ok"),
    ("boot", {"method": "ipxe", "commands": "nfs", "use_bootscript": True}, "ok"),
    ("boot", {"method": "jlink", "commands": ["r"], "coretype": "x"}, "ok"),
    ("boot", {"method": "kexec", "boot_message": "Linux", "kernel-config": "x"}, "ok"),
    ("boot", {"method": "minimal", "reset": False, "pre_os_command": True}, "ok"),
    ("boot", {"method": "minimal", "reset": "no"}, "no"),
    ("boot", {"method": "monitor"}, "ok"),
    ("boot", {"method": "musca", "prompts": "#"}, "ok"),
    ("boot", {"method": "new_connection", "connection": "isolated"}, "ok"),
    ("boot", {"method": "nodebooter", "command": "x"}, "ok"),
    ("boot", {"method": "openocd"}, "ok"),
    ("boot", {"method": "pyocd"}, "ok"),
    ("boot", {"method": "qdl", "firehose_program": "a", "rawprogram": "b", "debug": True}, "ok"),
    ("boot", {"method": "qdl", "firehose_program": "a"}, "no"),
    ("boot", {"method": "qemu-iso", "media": "img"}, "ok"),
    ("boot", {"method": "qemu-iso"}, "no"),
    ("boot", {"method": "qemu-nfs", "prompts": "#"}, "ok"),
    ("boot", {"method": "recovery", "commands": "exit"}, "ok"),
    ("boot", {"method": "recovery", "commands": "enter"}, "no"),
    ("boot", {"method": "schroot", "connection": "ssh", "schroot": "x"}, "ok"),
    ("boot", {"method": "ssh", "parameters": {"hostID": "a", "host_key": "b"}}, "ok"),
    ("boot", {"method": "ssh", "connection": "ssh"}, "lax"),
    ("boot", {"method": "uefi", "commands": "nfs", "shell_menu": "x"}, "ok"),
    ("boot", {"method": "uefi-menu", "line_separator": "dos"}, "ok"),
    ("boot", {"method": "uuu", "commands": "boot"}, "ok"),
    ("boot", {"method": "uuu", "commands": [{"uuu": "a"}, {"bcu": "b"}]}, "ok"),
    ("boot", {"method": "uuu", "commands": ["a"]}, "no"),
)


@pytest.mark.parametrize(("kind", "block", "expected"), BLOCKS)
def test_every_method_has_its_parameters(
    kind: str, block: dict[str, object], expected: str
) -> None:
    assert both(actions=[{kind: block}]) == expected


FVP = {
    "image": "/opt/model",
    "arguments": ["-C a={A}"],
    "console_string": "port (?P<PORT>[0-9]+)",
    "docker": {"name": "fvp:11", "local": True},
}


def test_a_model_needs_its_program_console_and_container() -> None:
    assert action("boot", method="fvp", **FVP) == "ok"
    for key in FVP:
        rest = {name: value for name, value in FVP.items() if name != key}
        assert action("boot", method="fvp", **rest) == "no"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"revision": "1234", "shallow": False, "recursive": True, "expected": ["a"]}, "ok"),
        ({"branch": "main", "history": False, "params": {"a": 5, 5: None}}, "ok"),
        ({"params": {}, "parameters": {}}, "ok"),
        ({"revision": 1234}, "no"),
        ({"compression": 5}, "lax"),
        ({"name": "two words"}, "no"),
        ({"name": "a.b-c_d"}, "ok"),
        ({"name": 5}, "no"),
        ({"path": 5}, "no"),
        ({"lava-signal": "kmsg"}, "ok"),
        ({"lava-signal": "serial"}, "no"),
        ({"skip_install": ["all", "git-repos"]}, "ok"),
        ({"skip_install": ["some"]}, "no"),
        ({"from": "bzr"}, "no"),
        ({"from": "url", "compression": "gz", "headers": {}}, "ok"),
        ({"from": "url", "branch": 5}, "lax"),
        ({"from": "inline"}, "no"),
        ({"repository": {}}, "no"),
        ({"timeout": TIMEOUT}, "lax"),
        ({"parameters": []}, "no"),
    ],
)
def test_a_definition_has_the_keys_of_its_source(keys: dict[str, object], expected: str) -> None:
    assert item(**keys) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "ok"),
        ({"install": {"deps": ["a"], "deps-debian": ["b"], "git-repos": ["c"]}}, "ok"),
        ({"install": {"deps-debian": "b"}}, "no"),
        ({"install": {"deps-debian": [5]}}, "no"),
        ({"install": {"other": 5}}, "lax"),
        ({"parse": {"fixupdict": {"OK": "pass"}}, "params": {}, "parameters": {}}, "ok"),
        ({"parse": {"fixupdict": {"OK": "good"}}}, "no"),
        ({"parse": {"pattern": "x"}}, "lax"),
        ({"metadata": {"format": "Lava-Test Test Definition 1.0"}}, "no"),
        ({"metadata": {"format": "1.0", "name": "a"}}, "no"),
        ({"run": {}}, "no"),
        ({"run": {"steps": [{"a": "b"}]}}, "no"),
        ({"expected": []}, "lax"),
    ],
)
def test_an_inline_definition_has_its_keys(keys: dict[str, object], expected: str) -> None:
    assert inline(**keys) == expected


def test_a_definition_may_run_in_a_container() -> None:
    definition = {"repository": "x", "from": "git", "name": "a", "path": "b"}
    block = {"definitions": [definition], "docker": {"image": "debian:12"}}
    assert action("test", **block, **{"downloads-namespace": "a"}) == "ok"
    assert action("test", **{**block, "docker": {"local": True}}) == "no"
    assert action("test", definitions=[definition], **{"downloads-namespace": "a"}) == "lax"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"fixupdict": {"OK": "pass"}, "expected": ["a"]}, "ok"),
        ({"fixupdict": {"OK": "good"}}, "no"),
        ({"fixupdict": {5: 5}}, "lax"),
        ({"name": "a.b"}, "ok"),
        ({"name": "a b"}, "no"),
        ({"pattern": 5}, "no"),
        ({"colour": 5}, "lax"),
    ],
)
def test_a_monitor_has_its_keys(keys: dict[str, object], expected: str) -> None:
    monitor = {"name": "a", "start": "b", "end": "c", "pattern": "d", **keys}
    assert action("test", monitors=[monitor]) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"command": None}, "ok"),
        ({"command": "x", "name": "a", "delay": 5, "wait_for_prompt": False}, "ok"),
        ({"command": 5}, "no"),
        ({"delay": 0.5}, "no"),
        ({"lava-send": "a", "lava-wait-all": "b"}, "ok"),
        ({"successes": [{"message": "x"}]}, "ok"),
        ({"successes": [{"message": ""}]}, "no"),
        ({"successes": [{"message": "x", "error": "y"}]}, "lax"),
        ({"failures": [{"message": "x", "exception": "JobError", "error": "y"}]}, "ok"),
        ({"failures": [{"message": "x", "exception": "OddError"}]}, "no"),
    ],
)
def test_a_script_has_its_keys(keys: dict[str, object], expected: str) -> None:
    script = {"name": "a", "prompts": ["=>"], "script": [keys]}
    assert action("test", interactive=[script]) == expected


def test_prompts_of_a_script_are_a_list() -> None:
    assert action("test", interactive=[{"name": "a", "prompts": "=>", "script": []}]) == "no"
    assert action("test", interactive=[{"name": "a", "prompts": [], "script": []}]) == "ok"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"from": "git", "branch": "a", "history": True}, "ok"),
        ({"from": "url", "compression": "gz", "headers": {}, "service": "x"}, "ok"),
        ({"from": "url", "branch": 5}, "lax"),
        ({"from": "inline"}, "no"),
        ({"from": "git", "name": "a b"}, "no"),
    ],
)
def test_a_service_has_the_keys_of_its_source(keys: dict[str, object], expected: str) -> None:
    service = {"name": "a", "repository": "x", "path": "b", **keys}
    assert action("test", services=[service]) == expected
