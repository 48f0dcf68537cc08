"""What each deploy has to bring to the device for the tests after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labq.actions.definitions_parameters import Definition, DefinitionsParameters
from labq.actions.deploy.downloads import DownloadsParameters
from labq.actions.test.docker import DockerTestParameters
from labq.domain.plan import OverlaySpec, TestDefinition, TestStage
from labq.jobdef.blocks import Resolved
from labq.jobdef.device import DeviceSpec
from labq.jobdef.spec import JobSpec


@dataclass(slots=True)
class Tests:
    """Where tests stand: keys are positions in the list of resolved blocks.

    `stages` numbers test blocks: shell tests count up, an interactive one has the number of the
    shell tests before it. `overlays` names the block that brings the shell tests of others.
    """

    stages: dict[int, int] = field(default_factory=dict)
    overlays: dict[int, list[TestStage]] = field(default_factory=dict)


BASH = "/bin/bash"
SHELLS = {
    "android": "/system/bin/sh",
    "archlinux": BASH,
    "centos": BASH,
    "centos_installer": BASH,
    "debian": BASH,
    "debian_installer": BASH,
    "fedora": BASH,
    "slackware": BASH,
}
"""The shell of tests by the `os` of a deploy, where it is not the device's."""
ANDROID_FOLDER = "/data/local/tmp/lava-%s"
_ROOT_FOLDER = "/lava-%s"


def place_tests(blocks: Sequence[Resolved]) -> Tests:
    """Return the stages of tests and which block brings them: the deploy before, in the namespace.

    Tests without a deploy before them are brought by the first boot of their namespace, or by the
    first test. Tests in a container bring their own. What is done in a container with downloads of
    the namespace has the tests at hand, too.
    """
    tests = Tests()
    bringers: dict[str, int] = {}
    worked_on: defaultdict[str, list[int]] = defaultdict(list)
    stages: defaultdict[str, int] = defaultdict(int)
    definitions: defaultdict[str, int] = defaultdict(int)
    for position, one in enumerate(blocks):
        namespace = one.block.namespace
        if one.block.kind == "deploy":
            bringers[namespace] = position
            if isinstance(one.parameters, DownloadsParameters) and one.parameters.postprocess:
                worked_on[namespace].append(position)
        elif one.block.kind in ("boot", "test"):
            bringers.setdefault(namespace, position)
        if one.block.kind != "test":
            continue
        tests.stages[position] = stages[namespace]
        if isinstance(one.parameters, DefinitionsParameters):
            found = _definitions(one.parameters, definitions[namespace])
            stage = TestStage(stage=stages[namespace], definitions=found)
            is_own = isinstance(one.parameters, DockerTestParameters)
            takers = [position] if is_own else [bringers[namespace], *worked_on[namespace]]
            for taker in dict.fromkeys(takers):
                tests.overlays.setdefault(taker, []).append(stage)
            stages[namespace] += 1
            definitions[namespace] += len(found)
    return tests


def _definitions(parameters: DefinitionsParameters, first: int) -> tuple[TestDefinition, ...]:
    return tuple(
        _definition(definition, first + offset)
        for offset, definition in enumerate(parameters.definitions)
    )


def _definition(definition: Definition, index: int) -> TestDefinition:
    shallow = definition.shallow
    return TestDefinition(
        index=index,
        name=definition.name,
        source=definition.source,
        repository=definition.repository,
        path=definition.path,
        parameters=definition.values,
        branch=definition.branch,
        revision=definition.revision,
        shallow=not definition.revision if shallow is None else shallow,
        history=definition.history,
        recursive=definition.recursive,
        strip_components=definition.strip_components,
        headers=definition.headers,
        skip_install=tuple(definition.skip_install),
        kmsg=definition.lava_signal == "kmsg",
        expected=None if definition.expected is None else tuple(definition.expected),
    )


def overlay(
    spec: JobSpec,
    device: DeviceSpec,
    *,
    namespace: str,
    stages: Sequence[TestStage],
    environment: Mapping[str, str],
    os: str = "",
) -> OverlaySpec:
    """Return what one block brings to the device; `os` is what a deploy says of its images."""
    posix = device.constants.get("posix")
    constants = posix if isinstance(posix, Mapping) else {}
    known = str(constants.get("lava_test_results_dir") or _ROOT_FOLDER)
    folder = ANDROID_FOLDER if os == "android" and known == _ROOT_FOLDER else known
    shell = constants.get("lava_test_sh_cmd") or "/bin/sh"
    return OverlaySpec(
        namespace=namespace,
        stages=tuple(stages),
        shell=SHELLS.get(os, str(shell)),
        results_dir=str(spec.context.get("lava_test_results_dir") or folder),
        environment=environment,
        secrets=spec.secrets,
    )


def test_environment(
    spec: JobSpec, device: DeviceSpec, *, job: int, host_address: str
) -> dict[str, str]:
    """Return what the overlay's `environment` file exports."""
    return {
        **device.environment,
        **_numbered("LAVA_DEVICE_INFO", device.device_info),
        **_numbered("LAVA_STATIC_INFO", device.static_info),
        **_numbered("LAVA_STORAGE_INFO", device.storage_info),
        **spec.environment,
        "LAVA_JOB_ID": str(job),
        "LAVA_DISPATCHER_IP": host_address,
        "LAVA_DISPATCHER_PREFIX": "",
        "LAVA_JOB_TAGS": ",".join(spec.tags),
        "LAVA_DEVICE_HOSTNAME": device.name,
        "LAVA_DEVICE_TYPE": device.device_type,
    }


def _numbered(prefix: str, infos: Sequence[Mapping[str, object]]) -> dict[str, str]:
    return {
        f"{prefix}_{index}_{key}": str(value)
        for index, info in enumerate(infos)
        for key, value in info.items()
    }
