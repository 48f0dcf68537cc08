"""Hits of endpoints by day: web processes count in memory and add up here now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.models.ops import PageHit


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRow:
    """Hits of one endpoint: today (UTC), yesterday and in all days asked for."""

    endpoint: str
    today: int
    yesterday: int
    total: int


def add(session: Session, hits: Mapping[tuple[date, str], int]) -> None:
    """Add to what is stored. Rows are taken in one order, so that two processes never deadlock."""
    rows = [
        {"day": day, "endpoint": endpoint, "hits": count}
        for (day, endpoint), count in sorted(hits.items())
    ]
    if not rows:
        return
    adding = insert(PageHit)
    session.execute(
        adding.on_conflict_do_update(
            index_elements=[PageHit.day, PageHit.endpoint],
            set_={"hits": PageHit.hits + adding.excluded.hits},
        ),
        rows,
    )


def find(session: Session, *, now: datetime, days: int) -> list[HitRow]:
    """Return the endpoints that were asked for in the last days, the most wanted first."""
    today = now.date()
    total = func.sum(PageHit.hits)
    query = (
        select(
            PageHit.endpoint,
            func.coalesce(total.filter(PageHit.day == today), 0),
            func.coalesce(total.filter(PageHit.day == today - timedelta(days=1)), 0),
            total,
        )
        .where(PageHit.day > today - timedelta(days=days))
        .group_by(PageHit.endpoint)
        .order_by(total.desc(), PageHit.endpoint)
    )
    return [
        HitRow(endpoint=name, today=int(first), yesterday=int(second), total=int(third))
        for name, first, second, third in session.execute(query)
    ]
