"""Whether a board that was switched off is off, where its outlet or its console can show it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.domain.plan import ConsoleSpec, Plan
from labq.drivers.power.command import run_commands
from labq.hw.params.url import parse_url

SECONDS = 10.0
COMMAND_SECONDS = 10.0
PAUSE_SECONDS = 0.2


async def check(plan: Plan, state: str, deadline: Deadline) -> None:
    """Wait until the board is off; `state` is the command that tells, with all filled in.

    Raises InfrastructureError when it stays on, or the command fails.
    """
    if state:
        await _await_state(plan, state, deadline)
    for console in plan.consoles:
        if console.needs_power and console.kind == "url":
            await _await_gone(plan, console, deadline)


async def _await_state(plan: Plan, command: str, deadline: Deadline) -> None:
    pattern = re.compile(plan.power.state_off)
    while True:
        exchange = await asyncio.to_thread(
            run_commands, (command,), Deadline.after(COMMAND_SECONDS)
        )
        told = exchange.partition("\n")[2]
        if pattern.search(told):
            return
        if deadline.is_over():
            what = f"{command!r} says {told.strip()!r}, not {plan.power.state_off!r}"
            raise InfrastructureError(f"device {plan.device} does not go off: {what}")
        await asyncio.sleep(PAUSE_SECONDS)


async def _await_gone(plan: Plan, console: ConsoleSpec, deadline: Deadline) -> None:
    path = Path(parse_url(console.url).path)
    while path.exists():
        if deadline.is_over():
            raise InfrastructureError(
                f"device {plan.device} does not go off: {path} is there, which needs its power"
            )
        await asyncio.sleep(PAUSE_SECONDS)
