"""Secrets of tokens and web log-ins, and password hashes. Only hashes are ever stored."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from labq.domain.errors import InvalidInputError, Problem

_DIGITS = string.digits + string.ascii_letters
_SECRET_BITS = 256
_SECRET_LENGTH = 43
_SECRET = re.compile(rf"[0-9A-Za-z]{{{_SECRET_LENGTH}}}")
_SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD = 1024
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
# A hash takes 64 MiB and a core: one at a time, however many log in at once.
_ONE_AT_A_TIME = threading.Semaphore(1)
# Verified when the name is unknown, so that the answer takes as long as for a known one.
_NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=1$3qIpvA6ndJPAjepgKCf10w"
    "$BNX6vSMf/z02vll9U3mHv78aQA54+rF1CQ2nLQCMz0c"
)


def new_secret() -> str:
    """Return 256 random bits as 43 letters and digits."""
    number = secrets.randbits(_SECRET_BITS)
    digits = []
    for _ in range(_SECRET_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)


def is_secret(text: str) -> bool:
    """Tell whether the text has the form of `new_secret`."""
    return _SECRET.fullmatch(text) is not None


def digest(secret: str) -> bytes:
    """Return what is stored of a random secret."""
    return hashlib.sha256(secret.encode()).digest()


def hash_password(password: str) -> str:
    """Return the argon2 hash of a new password; raises InvalidInputError for a bad length."""
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        message = f"must have {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters"
        raise InvalidInputError([Problem("password", message)])
    with _ONE_AT_A_TIME:
        return _HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Tell whether the password fits; takes as long when there is no hash to fit."""
    if len(password) > _LONGEST_PASSWORD:
        return False
    with _ONE_AT_A_TIME:
        try:
            _HASHER.verify(password_hash or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return password_hash is not None
