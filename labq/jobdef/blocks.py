"""Blocks of a job matched with the methods of this server and with what the device can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from labq.actions import boot, command, deploy, model_errors, test
from labq.actions.block_keys import BlockKeys
from labq.actions.method import Method
from labq.domain.errors import Problem
from labq.jobdef import submission
from labq.jobdef.device import BOOT_KEYS, METHOD_KEYS, DeviceSpec
from labq.jobdef.fastboot_part import fastboot_part
from labq.jobdef.source import describe_path
from labq.jobdef.spec import ActionBlock, JobSpec

METHODS: Mapping[str, tuple[Method, ...]] = {
    "deploy": deploy.METHODS,
    "boot": boot.METHODS,
    "test": test.METHODS,
    "command": command.METHODS,
}

Model = TypeVar("Model", bound=BaseModel)

_BUILT_IN_COMMANDS = (
    "hard_reset",
    "power_on",
    "power_off",
    "pre_power_command",
    "pre_os_command",
    "recovery_mode",
    "recovery_exit",
)
STOP_SERVICES = "stop_test_services"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A block that can run: `part` is what the dictionary says of the method."""

    block: ActionBlock
    keys: BlockKeys
    method: Method
    parameters: BaseModel
    part: Mapping[str, object]


def resolve(spec: JobSpec, device: DeviceSpec) -> tuple[list[Resolved], list[Problem]]:
    """Return the blocks that can run, and what is wrong with the others."""
    resolved: list[Resolved] = []
    problems = list(_namespace_problems(spec))
    for block in spec.actions:
        found = _resolve_block(block, device)
        if isinstance(found, Resolved):
            resolved.append(found)
        else:
            problems += found
    return resolved, problems


def _namespace_problems(spec: JobSpec) -> Iterator[Problem]:
    named = [block for block in spec.actions if "namespace" in block.parameters]
    for block in spec.actions if named else ():
        if "namespace" not in block.parameters:
            yield _problem(block, "", "needs a namespace, as other blocks have one")


def _problem(block: ActionBlock, path: str, message: str) -> Problem:
    inner = f"{block.path}.{path}" if path else block.path
    return Problem(path=inner, line=block.line, message=message)


def _resolve_block(block: ActionBlock, device: DeviceSpec) -> Resolved | list[Problem]:
    name = method_name(block)
    method = next((one for one in METHODS[block.kind] if one.name == name), None)
    if method is None or method.run is None:
        return [_unknown_method(block, name)]
    part = _device_part(block, name, device)
    if isinstance(part, str):
        return [_problem(block, "", part)]
    problems: list[Problem] = []
    keys = _parse(BlockKeys, block, problems)
    parameters = _parse(method.parameters, block, problems)
    problems += _timeout_problems(block) + _retry_problems(block)
    if parameters is not None:
        found = method.check(parameters, part)
        problems += [_problem(block, problem.path, problem.message) for problem in found]
    if problems or keys is None or parameters is None:
        return problems
    return Resolved(block=block, keys=keys, method=method, parameters=parameters, part=part)


def method_name(block: ActionBlock) -> str:
    """Return how the block names its method: `tftp`, `u-boot`, `definitions`, `command`."""
    match block.kind:
        case "deploy":
            return str(block.parameters.get("to"))
        case "boot":
            return str(block.parameters.get("method"))
        case "test":
            kinds = (kind for kind in submission.TEST_KINDS if kind in block.parameters)
            found = next(kinds, "")
            return "docker" if found == "definitions" and "docker" in block.parameters else found
        case _:
            return block.kind


def _unknown_method(block: ActionBlock, name: str) -> Problem:
    known = ", ".join(method.name for method in METHODS[block.kind] if method.run is not None)
    key = {"deploy": "to", "boot": "method"}.get(block.kind, "")
    return _problem(
        block, key, f"this server cannot run the {block.kind} method {name!r}, it can run: {known}"
    )


def _device_part(block: ActionBlock, name: str, device: DeviceSpec) -> Mapping[str, object] | str:
    """Return what the dictionary says of the method, or why the device cannot run it."""
    match block.kind:
        case "deploy":
            return _method_part(device, "deploy", name)
        case "boot":
            # `bootloader` stops at the prompt of another method's boot loader.
            other = block.parameters.get("bootloader") if name == "bootloader" else name
            return _method_part(device, "boot", str(other))
        case "command":
            return _command_part(block, device)
        case _:
            return {}


def _method_part(device: DeviceSpec, kind: str, name: str) -> Mapping[str, object] | str:
    methods = device.deploy_methods if kind == "deploy" else device.boot_methods
    known_keys = METHOD_KEYS if kind == "deploy" else BOOT_KEYS
    keys = known_keys.get(name, (name,))
    for key in keys:
        if key in methods:
            return fastboot_part(device) if key == "fastboot" else methods[key]
    if not keys:
        return {}
    known = ", ".join(sorted(methods)) or "none"
    return f"device {device.name} has no {kind} method {' or '.join(keys)}, it has: {known}"


def _command_part(block: ActionBlock, device: DeviceSpec) -> Mapping[str, object] | str:
    commands = device.dictionary.get("commands")
    known = commands if isinstance(commands, Mapping) else {}
    users = known.get("users")
    names = [*(users if isinstance(users, Mapping) else ())]
    names += [name for name in _BUILT_IN_COMMANDS if known.get(name)]
    names.append(STOP_SERVICES)
    if block.parameters.get("name") in names:
        return known
    listed = ", ".join(names) or "none"
    return f"device {device.name} has no command {block.parameters.get('name')!r}, it has: {listed}"


def _parse(model: type[Model], block: ActionBlock, problems: list[Problem]) -> Model | None:
    try:
        return model.model_validate(block.parameters)
    except ValidationError as error:
        problems += [
            _problem(block, describe_path(path), message)
            for path, message in model_errors.findings(error)
        ]
        return None


def _timeout_problems(block: ActionBlock) -> list[Problem]:
    timeouts = block.parameters.get("timeouts")
    if timeouts is None:
        return []
    findings = submission.NAMED_TIMEOUTS(timeouts, ("timeouts",))
    return [_problem(block, describe_path(path), message) for path, message in findings]


def _retry_problems(block: ActionBlock) -> list[Problem]:
    if "repeat" in block.parameters and "failure_retry" in block.parameters:
        return [_problem(block, "repeat", "cannot stand together with failure_retry")]
    return []
