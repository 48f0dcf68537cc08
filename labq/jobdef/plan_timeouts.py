"""How long each block and its inner actions may take: LAVA's order of override."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from labq.domain.plan import Plan, PlanStep, Timeouts
from labq.domain.timeout_scale import Scales, scale_of
from labq.jobdef.blocks import Resolved
from labq.jobdef.device import DeviceSpec
from labq.jobdef.durations import named, to_seconds
from labq.jobdef.spec import JobSpec

COLLECT_SECONDS = 300.0
MARGIN_SECONDS = 30.0


def block_timeouts(one: Resolved, spec: JobSpec, device: DeviceSpec, tries: int) -> Timeouts:
    """Return the timeouts of a block that is tried `tries` times.

    For each action the last of these counts: 30 s; timeouts.action of the job; the device's by
    name; the block's `timeout`, shared out between the tries; the job's by name; the block's by
    name.
    """
    own = one.block.parameters.get("timeout")
    by_block = named(one.block.parameters.get("timeouts"))
    outer = one.method.action
    default = to_seconds(own) if own is not None else spec.timeouts.action
    block = default if own is not None else device.timeouts.get(outer, default)
    block = by_block.get(outer, spec.timeouts.actions.get(outer, block))
    device_names = {} if own is not None else device.timeouts
    share = _share(block, tries)
    return Timeouts(
        block=block,
        action=share if own is not None or tries > 1 else spec.timeouts.action,
        connection=spec.timeouts.connection,
        actions={**_shared(device_names, share, tries), **spec.timeouts.actions, **by_block},
        connections={**device.connection_timeouts, **spec.timeouts.connections},
        skip=isinstance(own, Mapping) and own.get("skip") is True,
    )


def _share(seconds: float, tries: int) -> float:
    return seconds if tries <= 1 else max(1.0, float(seconds // tries))


def _shared(names: Mapping[str, float], share: float, tries: int) -> Mapping[str, float]:
    """Return the device's timeouts; in a retry the share of the block takes their place."""
    return names if tries <= 1 else dict.fromkeys(names, share)


def collect_timeouts(spec: JobSpec, device: DeviceSpec) -> Timeouts:
    """Return the timeouts of the clean-up: 5 minutes unless `finalize` says otherwise."""
    by_name = {**device.timeouts, **spec.timeouts.actions}
    return Timeouts(
        block=by_name.get("finalize", COLLECT_SECONDS),
        action=spec.timeouts.action,
        connection=spec.timeouts.connection,
        actions=by_name,
        connections={**device.connection_timeouts, **spec.timeouts.connections},
    )


def step_deadline(timeouts: Timeouts, job_seconds: float) -> float:
    """Return the seconds after which the bench ends a step that does not end itself."""
    return min(timeouts.block, job_seconds) + MARGIN_SECONDS


def scale_plan(plan: Plan, host: Scales, site: Scales) -> Plan:
    """Return the plan with timeouts stretched for a slow host or site, each step by its kind.

    The time of the whole job grows by the largest factor, so that no step is cut short by it.
    """
    factors = [scale_of(step.kind, host, site) for step in plan.steps]
    if all(factor == 1.0 for factor in factors):
        return plan
    steps = map(_scaled_step, plan.steps, factors)
    longest = max(1.0, *factors)
    return replace(plan, steps=tuple(steps), job_deadline=plan.job_deadline * longest)


def _scaled_step(step: PlanStep, factor: float) -> PlanStep:
    if factor == 1.0:
        return step
    old = step.timeouts
    timeouts = Timeouts(
        block=old.block * factor,
        action=old.action * factor,
        connection=old.connection * factor,
        actions={name: seconds * factor for name, seconds in old.actions.items()},
        connections={name: seconds * factor for name, seconds in old.connections.items()},
        skip=old.skip,
        scale=factor,
    )
    deadline = (step.deadline - MARGIN_SECONDS) * factor + MARGIN_SECONDS
    return replace(step, timeouts=timeouts, deadline=deadline)
