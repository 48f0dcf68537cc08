"""API tokens: made, listed, revoked, and looked up on every request that carries one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ScalarSelect, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from labq.domain.errors import ConflictError, NotFoundError, UnauthenticatedError
from labq.models.user import Membership, Token, User
from labq.services import prepared, sealing
from labq.services.credentials import digest, is_secret, new_secret
from labq.services.visibility import Viewer

PREFIX = "labq_"
_TOUCH_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token without its secret."""

    id: int
    user: str
    description: str
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """A token just made: `secret` is shown this once."""

    id: int
    secret: str
    description: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose token it is, and until when it is one."""

    viewer: Viewer
    expires_at: datetime | None

    def is_valid(self, now: datetime) -> bool:
        """Tell whether the token has not expired."""
        return self.expires_at is None or self.expires_at > now


def create(
    session: Session,
    user_id: int,
    description: str,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    keys: Sequence[str] = (),
) -> NewToken:
    """Make a token; raises ConflictError when the user has one of this description.

    With keys (`services/sealing.py`) its secret is stored too, so that callbacks can send it.
    """
    secret = PREFIX + new_secret()
    belongs_to = _belongs_to(user_id, description)
    values = {
        "user_id": user_id,
        "digest": digest(secret),
        "description": description,
        "sealed": sealing.seal(secret, belongs_to, keys) if any(keys) else None,
        "created_at": now,
        "expires_at": expires_at,
    }
    token_id = session.scalar(
        insert(Token).values(values).on_conflict_do_nothing().returning(Token.id)
    )
    if token_id is None:
        message = f"there is a token {description!r} already: revoke it or take another description"
        raise ConflictError(message)
    return NewToken(id=token_id, secret=secret, description=description, expires_at=expires_at)


def give(
    session: Session, user_id: int, description: str, *, now: datetime, keys: Sequence[str]
) -> str:
    """Return the secret of a token of this description, which is made anew if it is not stored."""
    is_good = or_(Token.expires_at.is_(None), Token.expires_at > now)
    own = select(Token.id).where(Token.user_id == user_id, Token.description == description)
    if session.scalar(own.where(is_good)) is not None:
        stored = find_secret(session, user_id, description, keys=keys)
        if stored is not None:
            return stored
    session.execute(delete(Token).where(Token.id.in_(own)))
    return create(session, user_id, description, now=now, keys=keys).secret


def find_secret(
    session: Session, user_id: int, description: str, *, keys: Sequence[str]
) -> str | None:
    """Return the secret of a user's token, None for no such token or one that is not stored."""
    query = select(Token.sealed).where(Token.user_id == user_id, Token.description == description)
    sealed = session.scalar(query)
    if sealed is None:
        return None
    return sealing.unseal(sealed, _belongs_to(user_id, description), keys)


def seal_anew(session: Session, *, keys: Sequence[str]) -> int:
    """Put the stored secrets under the first key; return how many were under another one."""
    known = session.scalars(select(Token).where(Token.sealed.is_not(None)).with_for_update())
    stale = [one for one in known if one.sealed and not sealing.is_newest(one.sealed, keys)]
    for token in stale:
        belongs_to = _belongs_to(token.user_id, token.description)
        secret = sealing.unseal(token.sealed or b"", belongs_to, keys)
        token.sealed = sealing.seal(secret, belongs_to, keys)
    return len(stale)


def _belongs_to(user_id: int, description: str) -> str:
    return f"API token {description!r} of user {user_id}"


def find_all(session: Session, user_id: int) -> tuple[TokenRow, ...]:
    """Return the tokens of a user, the oldest first."""
    query = (
        select(
            Token.id,
            User.name.label("user"),
            Token.description,
            Token.created_at,
            Token.last_used_at,
            Token.expires_at,
        )
        .join(User, User.id == Token.user_id)
        .where(Token.user_id == user_id)
        .order_by(Token.id)
    )
    return tuple(TokenRow(**row._asdict()) for row in session.execute(query))


def revoke(session: Session, viewer: Viewer, token_id: int) -> None:
    """Delete a token of the viewer's own (an admin: of anyone); raises NotFoundError."""
    query = delete(Token).where(Token.id == token_id).returning(Token.id)
    if not viewer.is_admin:
        query = query.where(Token.user_id == viewer.user_id)
    if session.scalar(query) is None:
        message = f"you have no token {token_id}"
        raise NotFoundError(message)


def authenticate(session: Session, secret: str, now: datetime) -> Viewer:
    """Return whose token it is; raises UnauthenticatedError. Notes the use once a minute."""
    return look_up(session, secret, now).viewer


def look_up(session: Session, secret: str, now: datetime) -> Holder:
    """Return whose token it is and until when; as `authenticate` does."""
    if not (secret.startswith(PREFIX) and is_secret(secret.removeprefix(PREFIX))):
        raise UnauthenticatedError("not a token of labq")
    row = prepared.run(session, _HOLDER, {"digest": digest(secret), "now": now}).one_or_none()
    if row is None:
        raise UnauthenticatedError("the token is unknown, expired or revoked")
    if row.last_used_at is None or row.last_used_at < now - _TOUCH_EVERY:
        _touch(session, row.id, now)
    viewer = Viewer(
        user_id=row.holder_id, name=row.name, is_admin=row.is_admin, groups=tuple(row.groups)
    )
    return Holder(viewer, row.expires_at)


_HOLDER = """
SELECT token.id, last_used_at, expires_at, holder.id AS holder_id, holder.name, is_admin,
       ARRAY(SELECT group_id FROM membership WHERE user_id = holder.id) AS groups
  FROM token JOIN "user" AS holder ON holder.id = token.user_id
 WHERE digest = CAST(%(digest)s AS bytea) AND is_active
   AND (expires_at IS NULL OR expires_at > %(now)s)
"""


def groups_of_user() -> ScalarSelect[list[int]]:
    """Return the ids of the groups of `User` in a query, as one array."""
    groups = select(Membership.group_id).where(Membership.user_id == User.id).correlate(User)
    return select(func.array(groups.scalar_subquery())).scalar_subquery()


def _touch(session: Session, token_id: int, now: datetime) -> None:
    # Requests with the same token never wait for each other here: one notes it, the rest go on.
    free = select(Token.id).where(Token.id == token_id).with_for_update(skip_locked=True)
    session.execute(
        update(Token)
        .where(Token.id.in_(free.scalar_subquery()))
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )
