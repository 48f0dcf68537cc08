"""The submission check: closed where LAVA's is closed, open where it is open."""

from __future__ import annotations

import pytest

from labq.jobdef.parse import MAX_PROBLEMS, check_submission
from tests.unit import jobs


def problems(**changes: object) -> list[str]:
    return [
        f"{problem.path}: {problem.message}" for problem in check_submission(jobs.text(**changes))
    ]


def action(kind: str, **block: object) -> list[str]:
    return problems(actions=[{kind: block}])


def definition(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "repository": "https://git.example/tests.git",
        "from": "git",
        "name": "smoke",
        "path": "smoke.yaml",
    }
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def test_a_small_job_passes() -> None:
    assert problems() == []


@pytest.mark.parametrize("key", ["job_name", "visibility", "timeouts", "actions"])
def test_required_keys_are_asked_for(key: str) -> None:
    assert problems(**{key: None}) == [f": needs the key {key!r}"]


def test_all_problems_are_told_at_once_in_the_order_of_the_text() -> None:
    found = check_submission("job_name: 1\nvisibility: nobody\nfoo: bar\nactions: {}\n")
    assert [problem.line for problem in found] == [1, 1, 2, 3, 4]
    assert {problem.path for problem in found} == {"", "job_name", "visibility", "foo", "actions"}


def test_problems_of_a_whole_come_before_those_of_its_parts() -> None:
    notify = "notify:\n  criteria: {status: all}\n  callbacks: []\n  callback: {url: 5}\n"
    found = check_submission(jobs.text() + notify)
    assert [problem.path for problem in found] == ["notify", "notify.callback.url"]


def test_endless_problems_are_cut() -> None:
    text = jobs.text() + "".join(f"key{number}: 1\n" for number in range(1000))
    assert len(check_submission(text)) == MAX_PROBLEMS


@pytest.mark.parametrize("text", ["", "[]", "just words", "3", "null"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    assert "must be a mapping, not" in check_submission(text)[0].message


@pytest.mark.parametrize("name", ["x", "x" * 200])
def test_names_of_1_to_200_characters_pass(name: str) -> None:
    assert problems(job_name=name) == []


@pytest.mark.parametrize("name", ["", "x" * 201, 5, ["x"]])
def test_other_names_are_refused(name: object) -> None:
    assert problems(job_name=name)[0].startswith("job_name: must")


@pytest.mark.parametrize("name", ["2020-01-02", ".nan", "0x" + "f" * 40])
def test_what_yaml_reads_as_another_type_is_no_string(name: str) -> None:
    text = jobs.text().replace("job_name: smoke", f"job_name: {name}")
    (problem,) = check_submission(text)
    assert problem.message.startswith("must be a string, not a time stamp or a number")


def test_unknown_top_level_keys_are_refused() -> None:
    assert problems(frobnicate=1) == ["frobnicate: unknown key"]


def test_every_top_level_key_is_known() -> None:
    everything = {
        "device": "board-01",
        "worker": "lab-1",
        "priority": "low",
        "context": {"arch": "arm64", "extra_options": ["-smp", 2]},
        "metadata": {"build": 5, 7: {"any": ["thing", None]}},
        "tags": ["hdmi"],
        "secrets": {"TOKEN": "x", "NUMBER": 5},
        "environment": {"A": "b"},
        "notify": {"criteria": {"status": "all"}},
        "protocols": {"lava-xnbd": {"port": "auto"}},
        "reboot_to_fastboot": False,
    }
    assert problems(**everything) == []


@pytest.mark.parametrize("priority", ["low", "medium", "high", 0, 100, 101, -1])
def test_any_integer_or_known_word_is_a_priority_of_the_schema(priority: object) -> None:
    assert problems(priority=priority) == []


@pytest.mark.parametrize("priority", ["urgent", 1.5, [1]])
def test_other_priorities_are_refused(priority: object) -> None:
    assert "is none of: low, medium, high" in problems(priority=priority)[0]


@pytest.mark.parametrize("visibility", ["public", "personal", {"group": ["lab"]}])
def test_audiences_pass(visibility: object) -> None:
    assert problems(visibility=visibility) == []


@pytest.mark.parametrize("visibility", ["private", {"group": "lab"}, {"groups": []}, ["public"]])
def test_other_audiences_are_refused(visibility: object) -> None:
    assert problems(visibility=visibility) != []


@pytest.mark.parametrize(
    "timeout",
    [{"minutes": 5}, {"days": 1}, {"hours": 1, "skip": True}, {"seconds": 0}, {}, {"skip": False}],
)
def test_a_timeout_has_at_most_one_unit(timeout: object) -> None:
    assert problems(timeouts={"job": timeout, "queue": timeout}) == []
    assert action("deploy", to="tmpfs", timeout=timeout) == []


@pytest.mark.parametrize(
    "timeout",
    [{"minutes": 1, "seconds": 1}, {"minutes": 1.5}, {"minutes": "5"}, {"weeks": 1}, 5, None],
)
def test_other_timeouts_are_refused(timeout: object) -> None:
    assert problems(timeouts={"job": timeout}) != []
    assert action("boot", method="qemu", timeout=timeout) != []
    assert action("test", definitions=[], timeout=timeout) != []


def test_named_timeouts_have_names_of_actions() -> None:
    named = {"http-download": {"minutes": 5}}
    assert problems(timeouts={"job": {}, "actions": named, "connections": named}) == []
    assert problems(timeouts={"job": {}, "actions": {"Http_Download": {}}}) != []
    assert problems(timeouts={"job": {}, "fastboot": {}}) == ["timeouts.fastboot: unknown key"]


def test_context_is_a_closed_list_of_simple_values() -> None:
    assert problems(context={"arch": "arm64", "no_kvm": True, "extra_options": ["-smp", 2]}) == []
    assert problems(context={"favourite": 1})[0].startswith("context.favourite: no context")
    assert problems(context={"arch": {"a": 1}})[0].startswith("context.arch: must be an integer")
    assert problems(context={"extra_options": [1.5]}) != []


def test_methods_that_nobody_knows_pass_the_submission() -> None:
    assert action("deploy", to="floppy", whatever={"a": 1}) == []
    assert action("boot", method="teleport", prompts=5) == []


def test_blocks_need_their_method() -> None:
    assert action("deploy") == ["actions[0].deploy: needs the key 'to'"]
    assert action("boot") == ["actions[0].boot: needs the key 'method'"]
    assert action("command") == ["actions[0].command: needs the key 'name'"]
    assert action("undress", to="x") == ["actions[0].undress: unknown key"]


@pytest.mark.parametrize("block", [None, "tmpfs", []])
def test_a_block_is_a_mapping(block: object) -> None:
    for kind in ("deploy", "boot", "test", "command"):
        assert "must be a mapping" in problems(actions=[{kind: block}])[0]


def test_keys_of_deploys_are_open() -> None:
    assert action("deploy", to="tftp", kernel={"type": "image"}) == []
    assert action("deploy", to="elsewhere", kernel=5, timeout={"minutes": 1}) == []
    assert action("deploy", to="elsewhere", timeout=5) != []


def test_auto_login_is_closed_and_its_password_is_a_string() -> None:
    login = {"login_prompt": "login:", "username": "root"}
    assert action("boot", method="x", auto_login={**login, "password": "1"}) == []
    assert action("boot", method="x", auto_login={**login, "password": 1}) != []
    assert action("boot", method="x", auto_login={**login, "shell": "sh"}) != []
    assert action("boot", method="x", auto_login={"username": "root"}) != []


def test_boot_commands_and_parameters_have_their_types() -> None:
    assert action("boot", method="x", commands="ramdisk", parameters={"a": "b", "c": True}) == []
    assert action("boot", method="x", commands=["a", 1]) == []
    assert action("boot", method="x", commands={"a": 1}) != []
    assert action("boot", method="x", parameters={"a": 1}) != []


def test_a_test_needs_one_of_the_kinds() -> None:
    assert "needs one of the keys: definitions, monitors" in action("test", name="x")[0]
    assert action("test", services=[]) == []


def test_a_definition_needs_its_keys_and_is_open() -> None:
    assert action("test", definitions=[definition(anything=1, parameters={"A": 1})]) == []
    assert action("test", definitions=[definition(repository={"metadata": {}})]) == []
    for key in ("repository", "from", "name", "path"):
        assert action("test", definitions=[definition(**{key: None})]) == [
            f"actions[0].test.definitions[0]: needs the key {key!r}"
        ]
    assert action("test", definitions=[definition(repository=5)]) != []
    assert action("test", definitions=[definition(repository={"metadata": {}, "run": {}})]) == []
    assert action("test", definitions=None) != []


@pytest.mark.parametrize("repository", [{"params": {}}, {"expected": []}, {"run": []}])
def test_an_inline_definition_has_few_keys(repository: object) -> None:
    assert action("test", definitions=[definition(repository=repository)]) != []


def test_a_pinned_revision_cannot_be_cloned_shallow() -> None:
    assert action("test", definitions=[definition(revision="1234", shallow=False)]) == []
    assert action("test", definitions=[definition(shallow=True)]) == []
    assert (
        "cannot have a 'revision'"
        in action("test", definitions=[definition(revision="1234", shallow=True)])[0]
    )


def test_monitors_are_closed() -> None:
    monitor = {"name": "tests", "start": "BEGIN", "end": "END", "pattern": "x"}
    assert action("test", monitors=[{**monitor, "fixupdict": {"PASS": "pass"}}]) == []
    assert action("test", monitors=[{**monitor, "colour": "red"}]) != []
    assert action("test", monitors=[{**monitor, "name": "two words"}]) != []
    assert action("test", monitors=[{**monitor, "name": "a.dot"}]) != []


def test_interactive_scripts_are_closed() -> None:
    item = {"command": None, "name": "a", "successes": [{"message": "ok"}], "delay": 1}
    script = {"name": "uboot", "prompts": ["=>"], "script": [item]}
    assert action("test", interactive=[script]) == []
    assert action("test", interactive=[{**script, "echo": "discard"}]) == []
    assert action("test", interactive=[{**script, "echo": "keep"}]) != []
    assert action("test", interactive=[{**script, "prompts": [""]}]) != []
    assert action("test", interactive=[{**script, "prompts": "=>"}]) != []
    assert action("test", interactive=[{**script, "expected": ["a", ""]}]) != []
    for key, value in {"command": 5, "successes": [{"text": "ok"}], "sleep": 1}.items():
        assert action("test", interactive=[{**script, "script": [{**item, key: value}]}]) != []
    failure = {"message": "x", "exception": "OddError"}
    assert action("test", interactive=[{**script, "script": [{"failures": [failure]}]}]) != []


def test_services_need_their_keys_and_are_open() -> None:
    service = {"name": "web", "from": "git", "repository": "http://x", "path": "compose.yaml"}
    assert action("test", services=[{**service, "branch": 5, "timeout": {"minutes": 1}}]) == []
    assert action("test", services=[{**service, "path": None}]) != []
    assert action("test", services=[{**service, "service": 5}]) != []
    assert action("test", services=None) != []


def test_one_good_kind_is_enough_for_a_test() -> None:
    assert action("test", definitions=[definition()], monitors=5) == []
    pinned = definition(revision="1234", shallow=True)
    monitor = {"name": "tests", "start": "BEGIN", "end": "END", "pattern": "x"}
    assert action("test", definitions=[pinned], monitors=[monitor]) != []


@pytest.mark.parametrize("status", ["running", "complete", "incomplete", "canceled", "finished"])
def test_notifications_have_a_known_status(status: str) -> None:
    assert problems(notify={"criteria": {"status": status}}) == []
    assert problems(notify={"criteria": {"status": status + "!"}}) != []


def test_notifications_have_one_callback_or_a_list() -> None:
    base = {"criteria": {"status": "finished", "type": "regression"}, "verbosity": "quiet"}
    callback = {"url": "http://x", "method": "POST", "dataset": "all", "content-type": "json"}
    assert problems(notify={**base, "callback": callback}) == []
    assert problems(notify={**base, "callbacks": [callback, {**callback, "header": "X"}]}) == []
    both = problems(notify={**base, "callback": callback, "callbacks": [callback]})
    assert both == ["notify: only one of callback, callbacks may stand here"]
    assert problems(notify={**base, "callback": {**callback, "method": "PUT"}}) != []
    assert problems(notify={"callback": callback}) != []


def test_recipients_are_closed() -> None:
    base = {"criteria": {"status": "finished"}}
    to = {"method": "email", "email": "a@example.org"}
    assert problems(notify={**base, "recipients": [{"to": to}]}) == []
    assert problems(notify={**base, "recipients": [{"to": {**to, "method": "fax"}}]}) != []
    assert problems(notify={**base, "recipients": [{"to": to, "cc": to}]}) != []
    query = {"username": "a", "name": "b"}
    assert problems(notify={**base, "compare": {"query": query, "blacklist": ["x"]}}) == []
    assert problems(notify={**base, "compare": {"query": {"username": "a"}}}) != []


def multinode(**server: object) -> list[str]:
    roles = {"client": {"device_type": "qemu", "count": 1}, "server": server}
    protocols = {"lava-multinode": {"roles": roles, "timeout": {"minutes": 1}}}
    return problems(device_type=None, protocols=protocols)


def test_protocols_are_a_closed_list() -> None:
    assert problems(protocols={"lava-lxc": {}}) == ["protocols.lava-lxc: unknown key"]
    assert problems(protocols={"lava-multinode": {}}) == [
        "protocols.lava-multinode: needs the key 'roles'"
    ]


def test_roles_point_to_roles() -> None:
    connection = {"connection": "ssh", "count": 1}
    assert multinode(**connection, host_role="client", expect_role="client") == []
    assert "go together" in multinode(**connection, expect_role="client")[0]
    assert "go together" in multinode(**connection, host_role="client")[0]
    assert (
        "no role 'nobody'" in multinode(**connection, host_role="nobody", expect_role="client")[0]
    )
    peers = {"host_role": "client", "expect_role": "client"}
    assert "has no device" in multinode(**connection, **peers, worker="lab-1")[0]
    assert multinode(device_type="qemu", context={"favourite": 1}) != []
    assert multinode(device_type="qemu", context=None) != []
    assert "needs the key 'device_type'" in multinode(device="board-01", count=1)[0]


def test_a_role_is_a_mapping() -> None:
    protocols = {"lava-multinode": {"roles": {"client": "qemu"}}}
    assert "must be a mapping" in problems(device_type=None, protocols=protocols)[0]


@pytest.mark.parametrize("key", ["device_type", "device", "worker"])
def test_names_of_devices_are_not_empty(key: str) -> None:
    assert problems(**{key: "x" * 201}) == []
    assert problems(**{key: ""}) != []
    assert problems(**{key: 5}) != []


def test_a_role_with_a_named_device_is_alone() -> None:
    assert multinode(device_type="qemu", device="board-01", count=1) == []
    assert "needs 'count: 1'" in multinode(device_type="qemu", device="board-01", count=2)[0]
