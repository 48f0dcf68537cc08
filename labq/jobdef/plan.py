"""JobSpec + DeviceSpec -> Plan: every block validated before anything touches the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labq.actions import collect
from labq.domain.errors import JobError, Problem
from labq.domain.plan import OverlaySpec, Plan, PlanStep, Queue, StepKind
from labq.jobdef import model_consoles, overlays, plan_timeouts, work_consoles
from labq.jobdef.blocks import Resolved, resolve
from labq.jobdef.device import DeviceSpec
from labq.jobdef.overlays import Tests
from labq.jobdef.spec import JobSpec


def build_plan(
    spec: JobSpec, device: DeviceSpec, *, run: int, job: int, host: str, host_address: str
) -> Plan:
    """Return the plan of `job` on `device`; `host_address` is the host's, as devices see it.

    Raises JobError that lists everything in the job that this server or this device cannot do.
    """
    blocks = _runnable(spec, device)
    address = device.host_address or host_address
    environment = overlays.test_environment(spec, device, job=job, host_address=address)
    return Plan(
        run=run,
        job=job,
        host=host,
        device=device.name,
        device_type=device.device_type,
        locks=tuple(sorted({device.name, *device.exclusive})),
        steps=_steps(_Builder(spec, device, overlays.place_tests(blocks), environment), blocks),
        dictionary={**device.dictionary, "host_address": address},
        consoles=work_consoles.consoles(model_consoles.consoles(device, blocks), blocks),
        power=device.power,
        job_deadline=spec.timeouts.job,
        priority=spec.priority,
        tags=spec.tags,
        masks=tuple(dict.fromkeys(secret for secret in spec.secrets.values() if secret)),
        context=spec.context,
    )


def _runnable(spec: JobSpec, device: DeviceSpec) -> list[Resolved]:
    if spec.is_multinode:
        raise JobError("Invalid job data: this server does not run multinode jobs")
    blocks, problems = resolve(spec, device)
    problems += _context_problems(spec, device)
    if problems:
        texts = [problem.describe() for problem in problems]
        raise JobError(f"Invalid job data: {texts}")
    return blocks


def _context_problems(spec: JobSpec, device: DeviceSpec) -> Iterator[Problem]:
    arch = spec.context.get("arch")
    if arch is not None and device.architectures and arch not in device.architectures:
        known = ", ".join(device.architectures)
        yield Problem(path="context.arch", message=f"{arch!r} is none of the device's: {known}")
    folder = spec.context.get("lava_test_results_dir")
    if folder is not None and "%s" not in str(folder):
        yield Problem(path="context.lava_test_results_dir", message="must contain %s")
    for name in ("failure_retry", "boot_retry"):
        value = spec.context.get(name, 1)
        if not str(value).isdecimal() or int(str(value)) < 1:
            yield Problem(path=f"context.{name}", message="must be a number from 1")


@dataclass(frozen=True, slots=True)
class _Builder:
    spec: JobSpec
    device: DeviceSpec
    tests: Tests
    environment: Mapping[str, str]


def _steps(builder: _Builder, blocks: Sequence[Resolved]) -> tuple[PlanStep, ...]:
    steps: list[PlanStep] = []
    for position, (one, channel) in enumerate(
        zip(blocks, work_consoles.channels(blocks), strict=True)
    ):
        step = replace(_step(builder, one, position), channel=channel)
        if one.method.download is not None:
            steps.append(_download_of(step, len(steps)))
        index = len(steps)
        steps.append(replace(step, index=index, restart_from=_restart(builder, step, steps)))
    return (*steps, _collect(builder, len(steps)))


def _step(builder: _Builder, one: Resolved, position: int) -> PlanStep:
    tries = _tries(builder, one)
    repeat = one.keys.repeat or 1
    timeouts = plan_timeouts.block_timeouts(one, builder.spec, builder.device, max(tries, repeat))
    return PlanStep(
        index=0,
        kind=one.method.kind,
        queue=one.method.queue,
        name=f"{one.block.kind} {one.method.name}" if one.block.kind != "command" else "command",
        action=one.block.position,
        method=one.method.name,
        namespace=one.block.namespace,
        timeouts=timeouts,
        deadline=plan_timeouts.step_deadline(timeouts, builder.spec.timeouts.job),
        restart_from=0,
        replays=one.method.replays,
        parameters=one.block.parameters,
        device=one.part,
        connection_namespace=one.keys.connection_namespace,
        tries=tries,
        tries_interval=one.keys.failure_retry_interval,
        repeat=repeat,
        stage=builder.tests.stages.get(position),
        overlay=_overlay(builder, one, position),
    )


def _tries(builder: _Builder, one: Resolved) -> int:
    if one.keys.repeat is not None:
        return 1
    if one.keys.failure_retry is not None:
        return one.keys.failure_retry
    constants = {**builder.device.constants, **builder.spec.context}
    names = ("boot_retry", "failure_retry") if one.block.kind == "boot" else ("failure_retry",)
    found = (str(constants.get(name)) for name in names)
    return next((int(value) for value in found if value.isdecimal() and value != "0"), 1)


def _overlay(builder: _Builder, one: Resolved, position: int) -> OverlaySpec | None:
    stages = builder.tests.overlays.get(position)
    if stages is None:
        return None
    return overlays.overlay(
        builder.spec,
        builder.device,
        namespace=one.block.namespace,
        stages=stages,
        environment=builder.environment,
        os=str(one.block.parameters.get("os") or ""),
    )


def _download_of(step: PlanStep, index: int) -> PlanStep:
    return replace(
        step,
        index=index,
        kind=StepKind.DOWNLOAD,
        queue=Queue.DOWNLOAD,
        name=f"download for {step.name}",
        restart_from=index,
        repeat=1,
    )


def _restart(builder: _Builder, step: PlanStep, before: Sequence[PlanStep]) -> int:
    """Return where to go back to when a step is lost: to itself where it can start afresh."""
    own = len(before)
    match step.kind:
        case StepKind.BOOT if not builder.device.can_restart:
            return _latest(before, StepKind.DEPLOY, step.namespace, own)
        case StepKind.TEST if not step.replays:
            return _latest(before, StepKind.BOOT, step.namespace, own)
        case _:
            return own


def _latest(before: Sequence[PlanStep], kind: StepKind, namespace: str, default: int) -> int:
    found = [
        step.index
        for step in before
        if step.kind is kind and step.namespace == namespace and step.method != "command"
    ]
    return found[-1] if found else default


def _collect(builder: _Builder, index: int) -> PlanStep:
    method = collect.METHOD
    timeouts = plan_timeouts.collect_timeouts(builder.spec, builder.device)
    return PlanStep(
        index=index,
        kind=method.kind,
        queue=method.queue,
        name=method.name,
        action=0,
        method=method.name,
        namespace="common",
        timeouts=timeouts,
        deadline=timeouts.block + plan_timeouts.MARGIN_SECONDS,
        restart_from=index,
        replays=method.replays,
    )
