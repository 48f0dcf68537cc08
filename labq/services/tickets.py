"""Short-lived signed tickets: the web process decides, the stream process lets in."""

from __future__ import annotations

from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeTimedSerializer

from labq.domain.errors import UnauthenticatedError

LIFETIME_SECONDS = 60
EVENTS = "events"
_SALT = "labq.stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What may be followed: `job:<id>` or `events`, by whom, from pages of which origin."""

    subject: str
    user_id: int | None
    origin: str


def job_subject(job_id: int) -> str:
    """Return the subject of a job's log."""
    return f"job:{job_id}"


def issue(secret_key: str, ticket: Ticket) -> str:
    """Return the ticket's text."""
    serializer = URLSafeTimedSerializer(secret_key, salt=_SALT)
    return str(serializer.dumps([ticket.subject, ticket.user_id, ticket.origin]))


def redeem(secret_key: str, text: str, subject: str) -> Ticket:
    """Return the ticket for the subject; raises UnauthenticatedError when it is not good."""
    serializer = URLSafeTimedSerializer(secret_key, salt=_SALT)
    try:
        found, user_id, origin = serializer.loads(text, max_age=LIFETIME_SECONDS)
    except (BadSignature, ValueError, TypeError) as error:
        raise UnauthenticatedError(
            "the ticket is forged or older than a minute: ask for a new one"
        ) from error
    if found != subject:
        raise UnauthenticatedError("the ticket is for something else")
    return Ticket(subject=found, user_id=user_id, origin=origin)
