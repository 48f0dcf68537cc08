"""What a secret that a job definition names stands for, as LAVA looks it up."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from labq.services import remote_tokens, tokens


def find(session: Session, user_id: int, text: str, *, keys: Sequence[str]) -> str:
    """Return the secret for a text in a callback of a user's job.

    It is the secret of the user's API token with this description, else the value of the user's
    remote token of this name, else the text itself. API tokens whose secret is not stored are none.
    """
    own = tokens.find_secret(session, user_id, text, keys=keys)
    if own is not None:
        return own
    value = remote_tokens.find(session, user_id, text, keys=keys)
    return text if value is None else value
