"""The table of XML-RPC methods: names, help, signatures, and arguments checked one by one."""

from __future__ import annotations

from xmlrpc.client import Fault

import pytest

from labq.web.endpoint import Call
from labq.web.lava.introspection import describe
from labq.web.lava.method import Flag, Int, JobId, Method, Text, bind, help_of, signatures, usage
from labq.web.lava.rpc import METHODS
from labq.web.lava.wire import BAD_ARGUMENTS

ALL = (*METHODS, *describe(METHODS))
WORDS = {"int", "string", "boolean", "array", "struct", "base64", "nil"}
LAVACLI = {
    *("scheduler.aliases." + name for name in ("add", "delete", "list", "show")),
    *("scheduler.device_types." + name for name in ("add", "devices", "list", "show", "update")),
    *("scheduler.device_types.aliases." + name for name in ("add", "delete", "list")),
    *("scheduler.device_types.perms_" + name for name in ("add", "delete", "list")),
    *(
        f"scheduler.device_types.{verb}_{what}"
        for verb in ("get", "set")
        for what in ("template", "health_check")
    ),
    *("scheduler.devices." + name for name in ("add", "delete", "list", "show", "update")),
    *("scheduler.devices." + name for name in ("get_dictionary", "set_dictionary")),
    *("scheduler.devices.perms_" + name for name in ("add", "delete", "list")),
    *("scheduler.devices.tags." + name for name in ("add", "delete", "list")),
    *(
        "scheduler.jobs." + name
        for name in ("cancel", "configuration", "definition", "list", "logs")
    ),
    *("scheduler.jobs." + name for name in ("queue", "resubmit", "show", "submit", "validate")),
    *("scheduler.remote_artifact_tokens." + name for name in ("add", "delete", "list", "show")),
    *("scheduler.tags." + name for name in ("add", "delete", "list", "show")),
    *("scheduler.workers." + name for name in ("add", "delete", "list", "show", "update")),
    *(
        f"scheduler.workers.{verb}_{what}"
        for verb in ("get", "set")
        for what in ("config", "env", "env_dut")
    ),
    *("auth.groups." + name for name in ("add", "delete", "list", "show")),
    *("auth.groups.perms." + name for name in ("add", "delete", "list")),
    *("auth.users." + name for name in ("add", "delete", "list", "show", "update")),
    *("auth.users.groups." + name for name in ("add", "delete", "list")),
    *("auth.users.perms." + name for name in ("add", "delete", "list")),
    *(f"results.get_test{what}_results_yaml" for what in ("job", "suite", "case")),
    *("system." + name for name in ("api_version", "version", "whoami", "listMethods")),
    *("system." + name for name in ("methodHelp", "methodSignature", "multicall")),
    "scheduler.get_publisher_event_socket",
}
"""What lavacli 1.2 and 3.1 call."""
SQUAD = {
    *("scheduler." + name for name in ("submit_job", "cancel_job", "resubmit_job", "job_details")),
    *("results." + name for name in ("get_testjob_suites_list_yaml", "get_testsuite_results_yaml")),
}


def sample(
    call: Call, job_id: JobId, name: Text | None = None, limit: Int = 5, all_of: Flag = False
) -> None:
    """Do nothing."""


SAMPLE = Method(name="a.sample", run=sample, returns="nil")


def refused(*arguments: object) -> str:
    with pytest.raises(Fault) as caught:
        bind(SAMPLE, arguments)
    assert caught.value.faultCode == BAD_ARGUMENTS
    return caught.value.faultString


def test_every_method_that_clients_call_is_there_once() -> None:
    names = [method.name for method in ALL]
    assert len(names) == len(set(names))
    assert set(names) >= LAVACLI | SQUAD


@pytest.mark.parametrize("method", ALL, ids=lambda method: method.name)
def test_a_method_tells_how_it_is_called(method: Method) -> None:
    assert help_of(method).startswith(f"{method.name}(")
    assert "\n\n" in help_of(method)
    for signature in signatures(method):
        assert set(signature) <= WORDS, signature
        assert signature[0] == method.returns


def test_defaults_and_signatures_follow_from_the_function() -> None:
    assert usage(SAMPLE) == "a.sample(job_id, name=None, limit=5, all_of=False)"
    assert signatures(SAMPLE)[0] == ["nil", "string"]
    assert signatures(SAMPLE)[-1] == ["nil", "string", "string", "int", "boolean"]


def test_arguments_of_the_right_types_are_taken() -> None:
    assert bind(SAMPLE, (7,)) == [7]
    assert bind(SAMPLE, ("7.1", b"bytes", 3, 1)) == ["7.1", "bytes", 3, True]
    assert bind(SAMPLE, ("7", None, 3, False)) == ["7", None, 3, False]


def test_a_wrong_number_of_arguments_is_refused_with_the_right_one() -> None:
    assert "takes 1 to 4 arguments, 0 given" in refused()
    assert "takes 1 to 4 arguments, 5 given" in refused(1, "a", 2, True, 5)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([1],), "job_id must be string, got array"),
        ((None,), "job_id must be string, got nil"),
        ((1, 2), "name must be string, got int"),
        ((1, "a\0b"), "has a NUL character"),
        ((1, b"\xff"), "name must be string"),
        ((1, "a", "3"), "limit must be int, got string"),
        ((1, "a", True), "limit must be int, got boolean"),
        ((1, "a", 2**70), "limit must be int"),
        ((1, "a", 3, "yes"), "all_of must be boolean, got string"),
        ((1, "a", 3, 2), "all_of must be boolean, got int"),
        ((1.5,), "job_id must be string, got float"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_by_name(
    arguments: tuple[object, ...], said: str
) -> None:
    assert said in refused(*arguments)
