"""The group of a step's run: its messages are read from the journal, what it tells goes to the bench."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from typing_extensions import override

from labq.benchlink import heard
from labq.benchlink.console import READ_BYTES, StepStand
from labq.benchlink.messages import Rest, Resume, Tell
from labq.benchlink.records import Kind, Record, parse, size_of
from labq.domain.deadline import Deadline
from labq.domain.orders import GroupMail
from labq.hw.group import GroupLine


@dataclass(frozen=True, slots=True)
class _Letter:
    """Messages that came together, when, and where their record stands."""

    mail: tuple[GroupMail, ...]
    at: float
    position: int


class BenchGroup(GroupLine):
    """The messages of a group, read forward from where the step began.

    What the run had heard before stands right behind the step's begin.
    """

    def __init__(self, journal: int, start: int, stand: StepStand) -> None:
        self._journal = journal
        self._position = start
        self._stand = stand
        self._queue: deque[_Letter] = deque()
        self._heard: dict[int, GroupMail] = {}

    @property
    @override
    def heard(self) -> Sequence[GroupMail]:
        return list(self._heard.values())

    @override
    def now(self) -> float:
        return self._stand.clock.now()

    @override
    def tell(self, sort: Literal["send", "start"], name: str, data: Mapping[str, str]) -> None:
        self._stand.emit(lambda number: Tell(number=number, sort=sort, name=name, data=dict(data)))

    @override
    def read(self, deadline: Deadline) -> tuple[GroupMail, ...] | None:
        while not self._queue:
            if self._fill():
                continue
            self._stand.clock.ran_dry(self._position)
            if not self._stand.link.wait_growth(self._position, deadline) and not self._fill():
                return None
        letter = self._queue[0]
        if letter.at > deadline.at:
            self._stand.clock.saw(letter.position, deadline.at)
            return None
        self._stand.clock.saw(letter.position, letter.at)
        self._queue.popleft()
        fresh = tuple(one for one in letter.mail if one.number not in self._heard)
        self._heard |= {one.number: one for one in fresh}
        return fresh

    @override
    def rest(self) -> None:
        self._stand.link.call(Rest())

    @override
    def resume(self) -> None:
        self._stand.link.call(Resume())

    def _fill(self) -> bool:
        buffer = os.pread(self._journal, READ_BYTES, self._position)
        before = self._position
        for record in parse(buffer, before):
            self._position = record.position + size_of(record)
            if record.kind == Kind.BACK:
                self._stand.clock.pauses.add([(json.loads(record.data)["since"], record.at)])
            elif record.kind == Kind.GROUP:
                self._take(record)
        return self._position > before

    def _take(self, record: Record) -> None:
        at = self._stand.clock.pauses.without(record.at)
        self._queue.append(_Letter(heard.load(record.data), at, record.position))
