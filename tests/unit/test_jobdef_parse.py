"""JobSpec: what a definition that passes becomes, and what is refused beyond the schema."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labq.domain.errors import InvalidInputError, JobError
from labq.jobdef.device import DeviceSpec
from labq.jobdef.parse import check_submission, parse_job
from labq.jobdef.plan import build_plan
from labq.jobdef.spec import Audience, Visibility
from labq.plans import dump_plan, load_plan
from tests.unit import jobs


def refusal(**changes: object) -> str:
    assert check_submission(jobs.text(**changes)) == []
    with pytest.raises(InvalidInputError) as caught:
        parse_job(jobs.text(**changes))
    return str(caught.value)


def test_a_small_job_has_the_defaults() -> None:
    spec = jobs.spec()
    assert (spec.name, spec.device_type, spec.priority) == ("smoke", "qemu", 50)
    assert spec.timeouts.job == 600
    assert (spec.timeouts.action, spec.timeouts.connection, spec.timeouts.queue) == (30, 30, None)
    assert spec.visibility == Visibility(audience=Audience.PUBLIC)
    assert (spec.device, spec.worker, spec.tags, spec.actions) == (None, None, (), ())
    assert not spec.is_multinode


@pytest.mark.parametrize(("word", "number"), [("low", 0), ("medium", 50), ("high", 100), (7, 7)])
def test_priorities_are_numbers(word: object, number: int) -> None:
    assert jobs.spec(priority=word).priority == number


@pytest.mark.parametrize("priority", [-1, 101])
def test_a_priority_out_of_range_is_refused_when_the_job_is_created(priority: int) -> None:
    assert "must be low, medium, high or 0 to 100" in refusal(priority=priority)


@pytest.mark.parametrize("visibility", [{}, {"group": []}])
def test_a_job_for_no_group_is_refused(visibility: object) -> None:
    assert "must name at least one group" in refusal(visibility=visibility)


def test_groups_are_kept_in_order() -> None:
    visibility = jobs.spec(visibility={"group": ["b", "a"]}).visibility
    assert visibility == Visibility(audience=Audience.GROUP, groups=("b", "a"))


def test_a_job_without_a_device_type_is_refused() -> None:
    assert "needs the key 'device_type'" in refusal(device_type=None)


def test_a_multinode_job_needs_no_device_type_but_roles() -> None:
    protocols = {"lava-multinode": {"roles": {"a": {"device_type": "qemu", "count": 1}}}}
    deploy = {"to": "tmpfs", "role": ["a"]}
    spec = jobs.spec(device_type=None, protocols=protocols, actions=[{"deploy": deploy}])
    assert spec.is_multinode
    assert spec.device_type == ""
    message = refusal(device_type=None, protocols=protocols, actions=[{"deploy": {"to": "tmpfs"}}])
    assert "actions[0].deploy (line 7): needs the key 'role'" in message


def test_scalars_of_metadata_become_strings() -> None:
    metadata = {"build": 5, 7: True, "list": [1, None], "date": "x"}
    assert jobs.spec(metadata=metadata).metadata == {
        "build": "5",
        "7": "True",
        "list": ["1", "None"],
        "date": "x",
    }


def test_secrets_and_environment_are_texts() -> None:
    spec = jobs.spec(secrets={"A": 5}, environment={"B": True, 3: "c"})
    assert spec.secrets == {"A": "5"}
    assert spec.environment == {"B": "True", "3": "c"}


def test_time_stamps_keep_the_text_of_the_submitter() -> None:
    spec = parse_job(jobs.text() + "metadata: {built: 2020-01-02}\n")
    assert spec.metadata == {"built": "2020-01-02"}
    assert type(spec.metadata["built"]) is str


def test_durations_are_seconds() -> None:
    timeouts = {
        "job": {"hours": 2},
        "action": {"minutes": 3},
        "connection": {"seconds": 20},
        "queue": {"days": 1},
        "actions": {"http-download": {"minutes": 1}, "power-off": {}},
        "connections": {"lava-test-shell": {"seconds": 0}},
    }
    found = jobs.spec(timeouts=timeouts).timeouts
    assert (found.job, found.action, found.connection, found.queue) == (7200, 180, 20, 86400)
    assert found.actions == {"http-download": 60, "power-off": 30}
    assert found.connections == {"lava-test-shell": 30}


@pytest.mark.parametrize("amount", [10**15, -5])
def test_senseless_durations_are_bounded(amount: int) -> None:
    text = jobs.text().replace("minutes: 10", f"days: {amount}")
    assert 0 < parse_job(text).timeouts.job <= 366 * 24 * 3600


def test_blocks_keep_their_place_in_the_text() -> None:
    text = jobs.text(actions=[{"deploy": {"to": "tmpfs"}}, {"boot": {"method": "qemu", 5: "x"}}])
    first, second = parse_job(text).actions
    assert (first.kind, first.position, first.path) == ("deploy", 1, "actions[0].deploy")
    assert (second.kind, second.position, second.path) == ("boot", 2, "actions[1].boot")
    assert (first.line, second.line) == (8, 10)
    assert second.parameters == {"method": "qemu", "5": "x"}
    assert second.namespace == "common"


def test_two_kinds_in_one_item_are_two_blocks() -> None:
    spec = jobs.spec(actions=[{"deploy": {"to": "tmpfs"}, "boot": {"method": "qemu"}}, {}])
    assert [(block.kind, block.position) for block in spec.actions] == [("deploy", 1), ("boot", 1)]


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    entries = value.items() if isinstance(value, Mapping) else ()
    entries = enumerate(value) if isinstance(value, list) else entries
    return [path, *(place for key, entry in entries for place in places(entry, (*path, key)))]


def changed(value: object, path: tuple[object, ...], new: object) -> object:
    if not path:
        return new
    if isinstance(value, list):
        return [
            changed(entry, path[1:], new) if index == path[0] else entry
            for index, entry in enumerate(value)
        ]
    assert isinstance(value, dict)
    return {**value, path[0]: changed(value[path[0]], path[1:], new)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
BASE = yaml.safe_load(jobs.read_text("uboot"))
DEVICE: DeviceSpec = jobs.device("qemu-uboot")


@given(st.sampled_from(places(BASE)), JSON)
def test_a_job_changed_anywhere_becomes_a_plan_or_a_clear_refusal(
    path: tuple[object, ...], value: object
) -> None:
    text = yaml.safe_dump(changed(BASE, path, value))
    with suppress(InvalidInputError, JobError):
        spec = parse_job(text)
        plan = build_plan(spec, DEVICE, run=1, job=2, host="local", host_address="127.0.0.1")
        assert load_plan(dump_plan(plan)) == plan
