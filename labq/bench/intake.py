"""Takes in the server's orders, one after the other, and remembers the last one."""

from __future__ import annotations

import asyncio
import json
import logging

from labq.bench import endings, kept_limits
from labq.bench.bench import Bench
from labq.bench.refusal import refuse
from labq.bench.run import BenchRun
from labq.domain.deadline import monotonic
from labq.domain.errors import ConfigurationError, InfrastructureError, LabqError
from labq.domain.orders import (
    AgainOrder,
    ConfigOrder,
    ConfirmOrder,
    GenerationOrder,
    GroupOrder,
    Order,
    RunOrder,
    StoredOrder,
)
from labq.domain.protocol import mismatch
from labq.plans import load_plan

log = logging.getLogger(__name__)


class Intake:
    """`last` is the id of the last order that was done, `generation` the one that reports carry."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._host = bench.host
        self._path = self._host.folder.path / "orders.json"
        self._queue: asyncio.Queue[tuple[str, Order | None]] = asyncio.Queue()
        self.last, self.generation = self._read()
        self._asked_drain = bench.drain.reason

    def put(self, entries: list[tuple[str, Order | None]]) -> None:
        """Take a batch from the reader."""
        for entry in entries:
            self._queue.put_nowait(entry)

    async def run(self) -> None:
        """Do orders for ever."""
        while True:
            name, order = await self._queue.get()
            if order is not None:
                await self._do_safely(order)
            self.last = name
            if self._queue.empty():
                self._write()
                self._bench.changed.set()

    async def _do_safely(self, order: Order) -> None:
        try:
            await self._do(order)
        except (LabqError, OSError) as error:
            log.warning("order %s of run %s: %s", order.kind, getattr(order, "run", "-"), error)

    async def _do(self, order: Order) -> None:
        match order:
            case RunOrder():
                await self._announce(order)
            case ConfirmOrder():
                self._host.outbox.confirm(order.sequence)
                self._host.shipper.confirmed()
                endings.sweep(self._bench)
            case AgainOrder():
                self._host.shipper.again(order.sequence)
            case StoredOrder():
                self._stored(order)
            case GroupOrder():
                self._bench.hear(order)
            case ConfigOrder():
                self._configure(order)
            case GenerationOrder():
                self.generation = order.generation

    async def _announce(self, order: RunOrder) -> None:
        folder = self._host.folder
        if order.run in self._bench.stands:
            self._bench.raise_epoch(order.run, order.epoch, order.next, order.reason)
            return
        if order.plan is None or folder.is_buried(order.run):
            return
        try:
            _check(order, order.plan)
            await self._take_in(order, order.plan)
        except (LabqError, OSError) as error:
            await refuse(self._host, order, error)

    async def _take_in(self, order: RunOrder, plan: str) -> None:
        make = self._host.folder.make
        made = await asyncio.to_thread(make, order.run, plan, order.epoch, order.next)
        run = BenchRun(made, self._bench.watch)
        run.recover(monotonic())
        self._bench.add(run)

    def _configure(self, order: ConfigOrder) -> None:
        """Take up another configuration; one that was in force comes again, then the present one."""
        if order.revision != self._host.limits.config.revision:
            self._host.limits.configure(kept_limits.parse(order))
            kept_limits.write_config(self._host.folder.path, order)
            self._follow_drain(order)
            self._bench.pump()

    def _follow_drain(self, order: ConfigOrder) -> None:
        """Drain the host at the server's request, or end that; one of its own is left alone."""
        drain = self._bench.drain
        if order.drain and order.drain != drain.reason:
            self._bench.start(drain.follow(order.drain))
        elif not order.drain and drain.reason and drain.reason == self._asked_drain:
            drain.end()
        self._asked_drain = order.drain

    def _stored(self, order: StoredOrder) -> None:
        stored = self._host.shipper.stored(order.run, order.length)
        stand = self._bench.stands.get(order.run)
        if stand and stored is not None:
            stand.stored = stored
            endings.sweep(self._bench)

    def _read(self) -> tuple[str, str]:
        try:
            item = json.loads(self._path.read_bytes())
            return str(item["last"]), str(item["generation"])
        except (OSError, ValueError, KeyError):
            return "0-0", ""

    def _write(self) -> None:
        # Not synced, and not needed when the disk is full: reading an order twice changes nothing.
        text = json.dumps({"last": self.last, "generation": self.generation})
        temporary = self._path.with_suffix(".new")
        try:
            temporary.write_text(text)
            temporary.replace(self._path)
        except OSError as error:
            log.warning("the last order cannot be noted: %s", error)


def _check(order: RunOrder, plan: str) -> None:
    """Raise ConfigurationError or InfrastructureError for an order that this host cannot follow."""
    if wrong := mismatch(order.protocol, order.oldest_protocol, who="the server"):
        raise ConfigurationError(f"not begun: {wrong}")
    found = load_plan(plan).run
    if found != order.run:
        raise InfrastructureError(
            f"the plan in the order of run {order.run} is that of run {found}"
        )
