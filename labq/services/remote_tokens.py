"""Remote tokens: secrets of users for other servers, which job definitions use by name."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, InvalidInputError, NotFoundError, Problem
from labq.models.rights import RemoteToken
from labq.services import sealing

NAME = re.compile(r"[^\s\x00-\x1f](.{0,98}[^\s\x00-\x1f])?")
LONGEST_VALUE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTokenRow:
    """A remote token without its value."""

    id: int
    name: str
    created_at: datetime


def add(
    session: Session, user_id: int, name: str, value: str, *, keys: Sequence[str], now: datetime
) -> RemoteTokenRow:
    """Store a value, sealed; raises ConflictError when the user has a token of this name."""
    if not NAME.fullmatch(name):
        raise InvalidInputError([Problem("name", "must have 1 to 100 characters, on one line")])
    if not 0 < len(value) <= LONGEST_VALUE or "\0" in value:
        message = f"must have 1 to {LONGEST_VALUE} characters"
        raise InvalidInputError([Problem("token", message)])
    sealed = sealing.seal(value, _belongs_to(user_id, name), keys)
    values = {"user_id": user_id, "name": name, "sealed": sealed, "created_at": now}
    made = session.scalar(
        insert(RemoteToken).values(values).on_conflict_do_nothing().returning(RemoteToken.id)
    )
    if made is None:
        message = f"there is a remote token {name!r} already: remove it or take another name"
        raise ConflictError(message)
    return RemoteTokenRow(id=made, name=name, created_at=now)


def find_all(session: Session, user_id: int) -> tuple[RemoteTokenRow, ...]:
    """Return the remote tokens of a user by name."""
    query = select(RemoteToken.id, RemoteToken.name, RemoteToken.created_at)
    rows = session.execute(query.where(RemoteToken.user_id == user_id).order_by(RemoteToken.name))
    return tuple(RemoteTokenRow(**row._asdict()) for row in rows)


def find(session: Session, user_id: int, name: str, *, keys: Sequence[str]) -> str | None:
    """Return the value of a user's token, None for no such token."""
    query = select(RemoteToken.sealed).where(
        RemoteToken.user_id == user_id, RemoteToken.name == name
    )
    sealed = session.scalar(query)
    return None if sealed is None else sealing.unseal(sealed, _belongs_to(user_id, name), keys)


@dataclass(frozen=True, slots=True)
class Stored:
    """Tokens of some users as they are stored; each is opened only when it is asked for."""

    sealed: Mapping[tuple[int, str], bytes]
    keys: Sequence[str]

    def find(self, user_id: int, name: str) -> str | None:
        """Return the value of a user's token, None for no such token."""
        sealed = self.sealed.get((user_id, name))
        if sealed is None:
            return None
        return sealing.unseal(sealed, _belongs_to(user_id, name), self.keys)


NOTHING_STORED = Stored({}, ())


def find_stored(session: Session, users: Collection[int], *, keys: Sequence[str]) -> Stored:
    """Return all tokens of these users; one query."""
    query = select(RemoteToken.user_id, RemoteToken.name, RemoteToken.sealed)
    rows = session.execute(query.where(RemoteToken.user_id.in_(users)))
    return Stored({(user, name): sealed for user, name, sealed in rows}, keys)


def remove(session: Session, user_id: int, name: str) -> None:
    """Delete a user's token; raises NotFoundError."""
    query = delete(RemoteToken).where(RemoteToken.user_id == user_id, RemoteToken.name == name)
    if session.scalar(query.returning(RemoteToken.id)) is None:
        raise NotFoundError(f"you have no remote token {name!r}")


def seal_anew(session: Session, *, keys: Sequence[str]) -> int:
    """Put all tokens under the first key; return how many were under another one."""
    stale = [
        token
        for token in session.scalars(select(RemoteToken).with_for_update())
        if not sealing.is_newest(token.sealed, keys)
    ]
    for token in stale:
        belongs_to = _belongs_to(token.user_id, token.name)
        token.sealed = sealing.seal(
            sealing.unseal(token.sealed, belongs_to, keys), belongs_to, keys
        )
    return len(stale)


def _belongs_to(user_id: int, name: str) -> str:
    return f"remote token {name!r} of user {user_id}"
