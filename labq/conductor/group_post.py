"""Brings messages in groups to the hosts of their members, and again what a report shows to be missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import redis

from labq.conductor.lead import Lead
from labq.conductor.link import is_at_or_past, send_orders
from labq.domain.events import Report
from labq.domain.orders import GroupOrder, Order
from labq.services import job_groups


class GroupPost:
    """The mail of one term. `_sent` is the id of the last mail to each host."""

    def __init__(self, lead: Lead, client: redis.Redis) -> None:
        self._lead = lead
        self._client = client
        self._sent: dict[str, str] = {}

    def send(self, mail: Sequence[tuple[str, GroupOrder]]) -> None:
        """Send what a transaction has decided, one order for each host and group."""
        gathered: defaultdict[tuple[str, int], list[GroupOrder]] = defaultdict(list)
        for host, order in mail:
            gathered[host, order.group].append(order)
        orders: list[tuple[str, Order]] = [
            (
                host,
                GroupOrder(group=group, messages=tuple(m for one in parts for m in one.messages)),
            )
            for (host, group), parts in gathered.items()
        ]
        for (host, _), identifier in zip(orders, send_orders(self._client, orders), strict=True):
            self._sent[host] = identifier

    def catch_up(self, host: str, report: Report) -> None:
        """Send what runs have not heard, by a report that is newer than the last mail."""
        heard = {run.run: run.heard for run in report.runs if run.heard is not None}
        if not heard or not is_at_or_past(report.order, self._sent.get(host, "0-0")):
            return
        with self._lead.reading() as session:
            behind = _behind(heard, job_groups.find_lengths(session, heard))
            mail = [(host, job_groups.find_mail(session, *one)) for one in behind.items()]
        self.send(mail)


def _behind(heard: Mapping[int, int], lengths: Mapping[int, tuple[int, int]]) -> dict[int, int]:
    """Return groups with the number from which on one of their runs lacks messages."""
    found: dict[int, int] = {}
    for run, (group, length) in lengths.items():
        if heard[run] < length:
            found[group] = min(heard[run], found.get(group, length))
    return found
