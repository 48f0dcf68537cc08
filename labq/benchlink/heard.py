"""What a run has heard of its group: which messages it has, whether it may begin. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from labq.domain.orders import GroupMail
from labq.domain.plan import Seat

MOST_TOGETHER = 50
"""Messages in one record of the journal."""


@dataclass(slots=True)
class Heard:
    """The messages that a run has, by number. `last` is up to which it has all."""

    seat: Seat
    mail: dict[int, GroupMail] = field(default_factory=dict)
    last: int = 0
    is_begun: bool = False
    is_started: bool = False

    @property
    def is_joined(self) -> bool:
        """Tell whether all have begun, and a guest was told that it may."""
        return self.is_begun and (self.is_started or not self.seat.start_role)

    def unknown(self, mail: Iterable[GroupMail]) -> list[GroupMail]:
        """Return what the run has not heard yet."""
        return [one for one in mail if one.number not in self.mail]

    def take(self, mail: Iterable[GroupMail]) -> None:
        """Take messages in."""
        for one in mail:
            self.mail[one.number] = one
            self.is_begun = self.is_begun or one.sort == "begun"
            self.is_started = self.is_started or self._starts(one)
        while self.last + 1 in self.mail:
            self.last += 1

    def _starts(self, one: GroupMail) -> bool:
        """Tell whether a message says that this guest may begin."""
        is_host = (one.sender, self.seat.start_role) in self.seat.roles
        return one.sort == "start" and one.name == self.seat.role and is_host


def dump(mail: Iterable[GroupMail]) -> Iterator[bytes]:
    """Yield the data of the records that keep messages."""
    rows = [[one.number, one.sort, one.name, one.sender, dict(one.data)] for one in mail]
    for start in range(0, len(rows), MOST_TOGETHER):
        yield json.dumps({"mail": rows[start : start + MOST_TOGETHER]}).encode()


def load(data: bytes) -> tuple[GroupMail, ...]:
    """Return the messages in the data of a record."""
    return tuple(
        GroupMail(number=number, sort=sort, name=name, sender=sender, data=values)
        for number, sort, name, sender, values in json.loads(data)["mail"]
    )
