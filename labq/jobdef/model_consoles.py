"""The consoles of a job on an Arm model: those that its boot names, reached within the container."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labq.domain.model_channels import PRIMARY_PORT, feedback_channel, port_place, telnet
from labq.domain.plan import ConsoleSpec
from labq.jobdef.blocks import Resolved
from labq.jobdef.device import DeviceSpec


def consoles(device: DeviceSpec, blocks: Sequence[Resolved]) -> tuple[ConsoleSpec, ...]:
    """Return the device's consoles, with those that the boots by `fvp` among the blocks open."""
    found = {spec.channel: spec for spec in device.consoles}
    for one in blocks:
        parameters = one.block.parameters
        if (one.block.kind, one.method.name) != ("boot", "fvp") or not _by_telnet(parameters):
            continue
        for spec in device.consoles:
            if spec.primary and spec.kind == "emulator":
                found[spec.channel] = replace(spec, kind="pty", command=telnet(PRIMARY_PORT))
        for channel in _feedbacks(parameters.get("feedbacks")):
            command = telnet(port_place(channel))
            found[channel] = ConsoleSpec(
                channel=channel,
                kind="pty",
                primary=False,
                command=command,
                namespace=channel,
            )
    return tuple(found.values())


def _by_telnet(parameters: object) -> bool:
    return not isinstance(parameters, dict) or parameters.get("use_telnet") is not False


def _feedbacks(value: object) -> list[str]:
    patterns = value if isinstance(value, list | tuple) else ()
    return [feedback_channel(str(pattern), number) for number, pattern in enumerate(patterns)]
