"""What a run takes of a block, and which methods there are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from labq.actions import boot, command, deploy, model_errors, test
from labq.actions.block_keys import BlockKeys
from labq.actions.boot.u_boot import UBootParameters
from labq.actions.definitions_parameters import DefinitionsParameters
from labq.actions.deploy.tftp import TftpParameters
from labq.actions.deploy.tmpfs import TmpfsParameters
from labq.actions.parameters import LAVA_OVERLAY, AutoLogin, BootParameters
from labq.domain.plan import Queue
from labq.jobdef import test_definition

URL = {"url": "http://x/image"}
METHODS = {
    "deploy": deploy.METHODS,
    "boot": boot.METHODS,
    "test": test.METHODS,
    "command": command.METHODS,
}


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_has_its_name_once(kind: str) -> None:
    names = [method.name for method in METHODS[kind]]
    assert len(set(names)) == len(names)


def test_methods_that_push_by_usb_have_a_queue_of_their_own() -> None:
    pushing = {method.name for method in deploy.METHODS if method.queue is Queue.FASTBOOT}
    assert {"fastboot", "uuu", "qdl"} < pushing
    assert {method.queue for method in deploy.METHODS} == {Queue.FASTBOOT, Queue.DEPLOY}
    assert {method.queue for method in boot.METHODS} == {Queue.FASTBOOT, Queue.BOOT}
    assert {method.queue for method in test.METHODS} == {Queue.TEST}


def test_a_run_ignores_unknown_keys_and_takes_null_for_absent() -> None:
    images = {"a": {**URL, "colour": 1, "archive": None, "sha256sum": None}}
    image = TmpfsParameters.model_validate({"images": images, "uefi": None}).images["a"]
    assert (image.archive, image.sha256sum) == (None, "")


def test_a_run_takes_kernels_of_an_unknown_type() -> None:
    parameters = TftpParameters.model_validate({"kernel": {**URL, "type": "bzimage"}})
    assert parameters.kernel.type is None


def test_a_run_takes_texts_of_numbers() -> None:
    commands = UBootParameters.model_validate({"commands": ["set x", 5]}).commands
    assert commands == ["set x", "5"]
    item = {"repository": "x", "from": "git", "name": "a", "path": "b", "revision": 1234}
    definition = DefinitionsParameters.model_validate({"definitions": [item]}).definitions[0]
    assert definition.revision == "1234"


def test_a_definition_s_parameters_have_two_names() -> None:
    item = {"repository": "x", "from": "git", "name": "a", "path": "b", "parameters": {"A": 1}}
    both = {**item, "params": {"A": 2, "B": None}}
    definition = DefinitionsParameters.model_validate({"definitions": [both]}).definitions[0]
    assert definition.values == {"A": "1", "B": "None"}


def test_a_run_takes_one_role_as_text() -> None:
    assert BlockKeys.model_validate({"role": "server"}).role == ["server"]
    assert BlockKeys.model_validate({"repeat": 2.9, "failure_retry_interval": 0}).repeat == 2


def test_a_run_needs_urls_and_definitions() -> None:
    for model, values in (
        (TmpfsParameters, {"images": {"a": {"url": ""}}}),
        (DefinitionsParameters, {"definitions": []}),
    ):
        with pytest.raises(ValidationError):
            model.model_validate(values)


def test_no_message_is_the_word_false() -> None:
    parameters = BootParameters.model_validate({"parameters": {"kernel-start-message": False}})
    assert parameters.parameters.kernel_start_message == ""


def test_the_tests_of_the_job_are_one_of_the_overlays() -> None:
    other = {**URL, "format": "tar", "path": "/"}
    images = {"a": {**URL, "overlays": {"lava": True, "b": other}}, "c": {**URL, "overlays": {}}}
    found = TmpfsParameters.model_validate({"images": images}).images
    assert found["a"].overlays["lava"] is LAVA_OVERLAY
    assert (found["a"].takes_lava_overlay, found["c"].takes_lava_overlay) == (True, False)
    images = {"a": {**URL, "overlays": {"lava": False, "b": other}}}
    assert list(TmpfsParameters.model_validate({"images": images}).images["a"].overlays) == ["b"]


def test_errors_are_told_in_the_words_of_yaml() -> None:
    with pytest.raises(ValidationError) as caught:
        AutoLogin.model_validate({"username": [], "login_commands": {}, "login_prompt": ""})
    assert list(model_errors.findings(caught.value)) == [
        (("login_prompt",), "must not be empty"),
        (("username",), "must be a string, not a list"),
        (("login_commands",), "must be a list, not a mapping"),
    ]
    with pytest.raises(ValidationError) as caught:
        TmpfsParameters.model_validate({"images": {"a": 5, "b": {}}, "os": {}})
    assert list(model_errors.findings(caught.value)) == [
        (("os",), "must be a string, not a mapping"),
        (("images", "a"), "must be a mapping, not an integer"),
        (("images", "b"), "needs the key 'url'"),
    ]


GOOD = """\
metadata:
  format: Lava-Test Test Definition 1.0
  name: smoke
  colour: red
run:
  steps:
  - lava-test-case a --result pass
expected: [a]
"""


def test_a_test_definition_is_open() -> None:
    assert test_definition.problems(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "path", "line"),
    [
        ("name: smoke", "name: 5", "metadata.name", 3),
        ("name: smoke", "title: smoke", "metadata", 1),
        ("Definition 1.0", "Definition 2", "metadata.format", 2),
        ("- lava-test-case a", "- a: b", "run.steps[0]", 7),
        ("metadata:", "metadata: {", "", 3),
    ],
)
def test_what_is_wrong_with_a_test_definition_is_told(
    old: str, new: str, path: str, line: int
) -> None:
    found = test_definition.problems(GOOD.replace(old, new))
    assert [(problem.path, problem.line) for problem in found] == [(path, line)]
