"""Who holds a token is remembered for a moment, and for no longer than it is true."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from labq.domain.errors import UnauthenticatedError
from labq.services.tokens import Holder
from labq.services.visibility import Viewer
from labq.web import viewers
from labq.web.cache import Epoch
from labq.web.viewers import LIFE_SECONDS, Viewers

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ANN = Holder(Viewer(user_id=1, name="ann"), None)


@dataclass
class Desk:
    """Viewers with a clock that stands still, and what was looked up in the database."""

    holder: Holder | None = ANN
    seconds: float = 100.0
    looks: int = 0
    rights: Epoch = field(default_factory=Epoch)
    viewers: Viewers = field(init=False)

    def __post_init__(self) -> None:
        self.rights.is_live = True
        self.viewers = Viewers(self.rights, lambda: self.seconds)

    def find(self, secret: str = "secret", now: datetime = NOW) -> Viewer:
        return self.viewers.find(secret, now, self._look)

    def _look(self) -> Holder:
        self.looks += 1
        if self.holder is None:
            raise UnauthenticatedError("unknown")
        return self.holder


def test_a_token_is_looked_up_once_in_its_life() -> None:
    desk = Desk()
    assert desk.find() == desk.find() == ANN.viewer
    assert desk.looks == 1
    desk.seconds += LIFE_SECONDS + 0.1
    desk.find()
    assert desk.looks == 2


def test_two_tokens_are_two() -> None:
    desk = Desk()
    desk.find("one")
    desk.find("other")
    assert desk.looks == 2


def test_a_change_of_rights_is_seen_by_the_next_request() -> None:
    desk = Desk()
    desk.find()
    desk.rights.rise()
    desk.holder = None
    with pytest.raises(UnauthenticatedError):
        desk.find()


def test_a_change_during_the_look_makes_what_was_found_old() -> None:
    desk = Desk()

    def look_as_it_changes() -> Holder:
        desk.rights.rise()
        return ANN

    desk.viewers.find("secret", NOW, look_as_it_changes)
    desk.find()
    assert desk.looks == 1


def test_nothing_is_kept_while_changes_are_not_heard() -> None:
    desk = Desk()
    desk.rights.is_live = False
    desk.find()
    desk.find()
    assert desk.looks == 2


def test_a_token_that_expires_is_no_longer_remembered() -> None:
    desk = Desk(Holder(ANN.viewer, NOW + timedelta(seconds=1)))
    desk.find()
    desk.holder = None
    assert desk.find(now=NOW + timedelta(seconds=0.5)) == ANN.viewer
    with pytest.raises(UnauthenticatedError):
        desk.find(now=NOW + timedelta(seconds=1))


def test_what_failed_is_not_remembered() -> None:
    desk = Desk(None)
    for _ in range(2):
        with pytest.raises(UnauthenticatedError):
            desk.find()
    assert desk.looks == 2


def test_the_oldest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "MOST", 2)
    desk = Desk()
    for secret in ("one", "two", "three"):
        desk.find(secret)
    desk.find("three")
    desk.find("one")
    assert desk.looks == 4
