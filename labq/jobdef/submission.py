"""What a submission must look like: LAVA's loose check (closed key lists where LAVA's are closed).

Method names and the parameters of methods are judged later, when the plan is built.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from labq.jobdef import schema
from labq.jobdef.context import is_known
from labq.jobdef.schema import (
    Check,
    Finding,
    any_list,
    any_mapping,
    anything,
    boolean,
    either,
    every,
    exclusive,
    integer,
    list_of,
    mapping_of,
    one_of,
    record,
    text,
)
from labq.jobdef.source import Path

PRIORITIES = {"low": 0, "medium": 50, "high": 100}
UNITS = ("days", "hours", "minutes", "seconds")
TEST_KINDS = ("definitions", "monitors", "interactive", "services")
_string = text()
_name = text(1, 200)
_not_empty = text(1)
_item_name = text(pattern=r"[-_a-zA-Z0-9]+\n?")
_scalar_key = either("a key must be a string or an integer", _string, integer)

timeout = every(record({}, {**dict.fromkeys(UNITS, integer), "skip": boolean}), exclusive(UNITS))
NAMED_TIMEOUTS = mapping_of(text(pattern=r"[a-z-]+"), timeout)
_timeouts = record(
    {"job": timeout},
    {
        "action": timeout,
        "connection": timeout,
        "queue": timeout,
        "actions": NAMED_TIMEOUTS,
        "connections": NAMED_TIMEOUTS,
    },
)

_context_value = either(
    "must be an integer, a string or a list of these",
    integer,
    _string,
    list_of(either("must be an integer or a string", integer, _string)),
)


def _context_key(value: object, path: Path) -> Iterator[Finding]:
    if not is_known(value):
        yield path, f"no context variable is called {value!r}"


context = mapping_of(_context_key, _context_value)


def _visibility(value: object, path: Path) -> Iterator[Finding]:
    if isinstance(value, dict):
        yield from record({}, {"group": list_of(_string)})(value, path)
    else:
        yield from one_of("public", "personal")(value, path)


def _priority(value: object, path: Path) -> Iterator[Finding]:
    if not isinstance(value, int):
        yield from one_of(*PRIORITIES)(value, path)


_callback = record(
    {"url": _string},
    {
        "method": one_of("GET", "POST"),
        "token": _string,
        "dataset": one_of("minimal", "logs", "results", "all"),
        "content-type": one_of("json", "urlencoded"),
    },
    extra=True,
)
_recipient = record(
    {
        "to": record(
            {"method": one_of("email", "irc")},
            dict.fromkeys(("user", "email", "server", "handle"), _string),
        )
    },
    {},
)
_criteria = record(
    {"status": one_of("running", "complete", "incomplete", "canceled", "finished", "all")},
    {"type": one_of("regression", "progression"), "dependency_query": _string},
    extra=True,
)
_compare = record(
    {},
    {
        "query": either(
            "must be {username, name} or {entity, conditions}",
            record({"username": _string, "name": _string}, {}),
            record({"entity": _string}, {"conditions": any_mapping}),
        ),
        "blacklist": list_of(_string),
    },
    extra=True,
)
_notify = every(
    record(
        {"criteria": _criteria},
        {
            "recipients": list_of(_recipient),
            "callback": _callback,
            "callbacks": list_of(_callback),
            "verbosity": one_of("verbose", "quiet", "status-only"),
            "compare": _compare,
        },
        extra=True,
    ),
    exclusive(("callback", "callbacks")),
)


_deploy = record({"to": _string}, {"timeout": timeout}, extra=True)
_auto_login = record(
    {"login_prompt": _string, "username": _string},
    {"password_prompt": _string, "password": _string, "login_commands": any_list},
)
_boot = record(
    {"method": _string},
    {
        "timeout": timeout,
        "auto_login": _auto_login,
        "parameters": mapping_of(
            _string, either("must be a string or a boolean", _string, boolean)
        ),
        "commands": either("must be a string or a list", _string, any_list),
    },
    extra=True,
)


_inline = record({}, dict.fromkeys(("metadata", "install", "run", "parse"), any_mapping))


def _repository(value: object, path: Path) -> Iterator[Finding]:
    yield from (_inline if isinstance(value, dict) else _url)(value, path)


_url = either("must be a mapping or a string", _string)
_definition = record(
    {"repository": _repository, "from": _string, "name": _string, "path": _string},
    {"parameters": any_mapping, "timeout": timeout},
    extra=True,
)
_monitor = record(
    {"name": _item_name, "start": _string, "end": _string, "pattern": _string},
    {"fixupdict": any_mapping, "expected": list_of(_string)},
)
_failure = record(
    {"message": _string},
    {"exception": one_of("InfrastructureError", "JobError", "TestError"), "error": _string},
)
_script_item = record(
    {},
    {
        "name": _item_name,
        "command": either("must be a string or null", _string, one_of(None)),
        "delay": integer,
        "wait_for_prompt": boolean,
        "failures": list_of(_failure),
        "successes": list_of(record({"message": _string}, {})),
        **dict.fromkeys(("lava-send", "lava-sync", "lava-wait", "lava-wait-all"), _string),
    },
)
_interactive = record(
    {"name": _item_name, "prompts": list_of(_not_empty), "script": list_of(_script_item)},
    {"echo": one_of("discard"), "expected": list_of(_not_empty)},
)
_service = record(
    dict.fromkeys(("name", "from", "repository", "path"), _string),
    {"service": _string, "timeout": timeout},
    extra=True,
)
_test_kinds: dict[str, Check] = {
    "definitions": list_of(_definition),
    "monitors": list_of(_monitor),
    "interactive": list_of(_interactive),
    "services": list_of(_service),
}


def _test(value: object, path: Path) -> Iterator[Finding]:
    yield from record({}, {"timeout": timeout}, extra=True)(value, path)
    if not isinstance(value, dict):
        return
    present = [kind for kind in TEST_KINDS if kind in value]
    if not present:
        yield path, f"needs one of the keys: {', '.join(TEST_KINDS)}"
    if not any(schema.passes(_test_kinds[kind], value[kind]) for kind in present):
        for kind in present:
            yield from _test_kinds[kind](value[kind], (*path, kind))
    yield from _pinned_shallow(value.get("definitions"), (*path, "definitions"))


def _pinned_shallow(value: object, path: Path) -> Iterator[Finding]:
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, dict) and "revision" in item and item.get("shallow") is True:
            yield (*path, index, "shallow"), "a shallow clone cannot have a 'revision'"


_command = record({"name": _string}, {"timeout": timeout, "namespace": _string}, extra=True)
_action = record({}, {"deploy": _deploy, "boot": _boot, "test": _test, "command": _command})

_role = record({}, {"context": context}, extra=True)


def _roles(value: object, path: Path) -> Iterator[Finding]:
    yield from mapping_of(anything, _role)(value, path)
    if isinstance(value, dict):
        for name, role in value.items():
            if isinstance(role, dict):
                yield from _role_links(role, value, (*path, name))


def _role_links(
    role: Mapping[object, object], roles: Mapping[object, object], path: Path
) -> Iterator[Finding]:
    links = {key: role[key] for key in ("host_role", "expect_role") if role.get(key) is not None}
    if len(links) == 1:
        yield path, "'host_role' and 'expect_role' go together"
    for key, target in links.items():
        if not isinstance(target, str) or target not in roles:
            yield (*path, key), f"there is no role {target!r}"
    pins = [key for key in ("device", "worker") if key in role]
    if "connection" in role:
        yield from (((*path, key), "a role with a connection has no device") for key in pins)
    elif pins and "device_type" not in role:
        yield path, f"{pins[0]!r} needs the key 'device_type'"
    elif "device" in role and role.get("count") != 1:
        yield (*path, "device"), "one named device needs 'count: 1'"


_multinode = record({"roles": _roles}, {"timeout": timeout})
_protocols = record({}, {"lava-multinode": _multinode, "lava-xnbd": any_mapping})

JOB = record(
    {
        "job_name": _name,
        "timeouts": _timeouts,
        "visibility": _visibility,
        "actions": list_of(_action),
    },
    {
        "device_type": _not_empty,
        "device": _not_empty,
        "worker": _not_empty,
        "priority": _priority,
        "context": context,
        "metadata": mapping_of(_scalar_key, anything),
        "tags": list_of(_string),
        "secrets": any_mapping,
        "environment": any_mapping,
        "notify": _notify,
        "protocols": _protocols,
        "reboot_to_fastboot": boolean,
    },
)
