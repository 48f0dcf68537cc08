"""What a worker that has the hold may ask for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from datetime import UTC, datetime

from labq.bench.host import Host
from labq.bench.nice import lower
from labq.bench.run import BenchRun
from labq.bench.stand import Stand
from labq.benchlink.messages import (
    Child,
    ChildGone,
    Disconnect,
    Log,
    Open,
    Remember,
    Reply,
    Request,
    Result,
    Send,
    Start,
    Switch,
    Tell,
)
from labq.benchlink.records import Kind
from labq.domain.errors import InfrastructureError
from labq.domain.events import MessageSent, ResultReported
from labq.domain.plan import Queue
from labq.domain.verdicts import CaseResult


async def do_request(stand: Stand, host: Host, request: Request) -> Reply:
    """Do one request; raises LabqError. What opens and switches goes on without its worker."""
    past = None
    if isinstance(request, Send | Log | Result | Tell):
        past = stand.run.emissions.first_at.get(request.number)
    return Reply(value=await _do(stand, host, request), past=past)


async def _do(stand: Stand, host: Host, request: Request) -> int | None:
    run = stand.run
    match request:
        case Send():
            data = request.data.encode("latin-1")
            await stand.consoles.send(request.channel, request.number, data, request.delay)
        case Log():
            return run.say(request.level, request.message, request.number)
        case Result():
            return _report(run, host, request)
        case Tell():
            await _tell(run, host, request)
        case Remember():
            _remember(run, request)
        case Child():
            await stand.claim()
            stand.children.add(request.pid, request.start, run.gate.epoch)
            if run.plan.steps[run.step].queue is not Queue.FASTBOOT:
                lower(request.pid, host.limits.nice)
        case ChildGone():
            stand.children.remove(request.pid, run.gate.epoch)
        case _:
            await asyncio.shield(_switch(stand, request))
    return None


def _switch(stand: Stand, request: Request) -> Coroutine[object, object, None]:
    match request:
        case Open():
            return stand.open(request.channel)
        case Disconnect():
            return stand.consoles.disconnect(request.channel)
        case Start():
            return stand.consoles.start(request)
        case Switch():
            return stand.switch(request.what, request.name)
        case _:
            raise InfrastructureError(f"a worker that holds a step cannot ask for {request.op}")


def _remember(run: BenchRun, request: Remember) -> None:
    """Keep a value, whole or not at all. Not synced, as the files that it names are not."""
    values = run.remembered() | {request.key: request.value}
    path = run.folder / "remembered.json"
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(values))
    temporary.replace(path)


def _report(run: BenchRun, host: Host, request: Result) -> int:
    """Write a result as a durable event, once."""
    if request.number in run.emissions.lines:
        return run.emissions.lines[request.number]
    if run.is_reported(request.result, request.number):
        return run.emissions.lines[request.number]
    line = run.log.lines.count
    event = _event(run, request.result, line)
    run.event(host.outbox, Kind.RESULT, event, number=request.number, line=line)
    host.settle_soon(run.journal.file)
    return line


async def _tell(run: BenchRun, host: Host, request: Tell) -> None:
    """Write a message to the group as a durable event, once; others may be waiting for it."""
    if request.number in run.emissions.first_at:
        return
    event = MessageSent(
        run=run.plan.run,
        epoch=run.gate.epoch,
        step=run.step,
        at=datetime.now(UTC),
        offset=run.journal.sequence + 1,
        sort=request.sort,
        name=request.name,
        data=dict(request.data),
    )
    run.event(host.outbox, Kind.MESSAGE, event, number=request.number)
    # The outbox alone: what the journal lacks after a loss of power is written there from it.
    await host.settle()
    host.shipper.hurry()


def _event(run: BenchRun, result: CaseResult, line: int) -> ResultReported:
    mask = run.log.lines.mask
    details = run.log.lines.masked(dict(result.details))
    return ResultReported(
        run=run.plan.run,
        epoch=run.gate.epoch,
        step=run.step,
        at=datetime.now(UTC),
        channel=run.primary,
        offset=run.journal.sequence + 1,
        line=line,
        suite=mask(result.suite),
        case=mask(result.case),
        verdict=result.verdict,
        measurement=result.measurement,
        units=mask(result.units),
        test_set=mask(result.test_set) if result.test_set is not None else None,
        start_line=result.start_line,
        end_line=result.end_line,
        details=details if isinstance(details, dict) else {},
    )
