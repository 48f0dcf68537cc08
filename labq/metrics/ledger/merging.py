"""Counters of several processes as if they were of one."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from labq.metrics.ledger.records import EndpointRow, MinuteRow, SiteRow, StatementRow

Row = TypeVar("Row")


def endpoints(rows: Iterable[EndpointRow]) -> list[EndpointRow]:
    """Return a row for each endpoint, those first that took the most time in all."""
    found = [_endpoint(same) for same in _grouped(rows, lambda row: row.endpoint)]
    return sorted(found, key=lambda row: row.ms, reverse=True)


def sites(rows: Iterable[SiteRow]) -> list[SiteRow]:
    """Return a row for each call site, those first that took the most time in all."""
    found = [_site(same) for same in _grouped(rows, lambda row: row.site)]
    return sorted(found, key=lambda row: row.ms, reverse=True)


def minutes(rows: Iterable[MinuteRow]) -> list[MinuteRow]:
    """Return a row for each minute, the newest first."""
    found = [
        MinuteRow(
            minute=same[0].minute,
            count=sum(row.count for row in same),
            ms=sum(row.ms for row in same),
            longest_ms=max(row.longest_ms for row in same),
        )
        for same in _grouped(rows, lambda row: row.minute.isoformat())
    ]
    return sorted(found, key=lambda row: row.minute, reverse=True)


def statements(rows: Iterable[StatementRow]) -> list[StatementRow]:
    """Return a row for each statement, those first that took the most time in all."""
    found = [_statement(same) for same in _grouped(rows, lambda row: row.id)]
    return sorted(found, key=lambda row: row.ms, reverse=True)


def _grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> Iterable[list[Row]]:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups.values()


def _endpoint(same: list[EndpointRow]) -> EndpointRow:
    cache: Counter[str] = Counter()
    for row in same:
        cache.update(row.cache)
    return EndpointRow(
        endpoint=same[0].endpoint,
        count=sum(row.count for row in same),
        failed=sum(row.failed for row in same),
        ms=sum(row.ms for row in same),
        cpu_ms=sum(row.cpu_ms for row in same),
        query_ms=sum(row.query_ms for row in same),
        queries=sum(row.queries for row in same),
        rows=sum(row.rows for row in same),
        bytes=sum(row.bytes for row in same),
        longest_ms=max(row.longest_ms for row in same),
        classes=tuple(map(sum, zip(*(row.classes for row in same), strict=True))),
        cache=dict(cache),
    )


def _site(same: list[SiteRow]) -> SiteRow:
    longest = max(same, key=lambda row: row.longest_ms)
    return replace(
        longest,
        count=sum(row.count for row in same),
        failed=sum(row.failed for row in same),
        ms=sum(row.ms for row in same),
        last_minute=sum(row.last_minute for row in same),
    )


def _statement(same: list[StatementRow]) -> StatementRow:
    """Add the counts; call and plan are those of the slowest that has any."""
    slowest = sorted(same, key=lambda row: row.longest_ms, reverse=True)
    return replace(
        slowest[0],
        count=sum(row.count for row in same),
        ms=sum(row.ms for row in same),
        rows=sum(row.rows for row in same),
        plan=next((row.plan for row in slowest if row.plan), ""),
        call=next((row.call for row in slowest if row.call), None),
    )
