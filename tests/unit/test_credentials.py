"""Secrets and password hashes."""

from __future__ import annotations

import pytest

from labq.domain.errors import InvalidInputError
from labq.services.credentials import digest, hash_password, is_password, is_secret, new_secret


def test_secrets_are_long_and_differ() -> None:
    secrets = {new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert all(is_secret(secret) for secret in secrets)


@pytest.mark.parametrize(
    "text", ["", "a" * 42, "a" * 44, "a" * 42 + "\n", "é" * 43, "a" * 42 + "-"]
)
def test_other_texts_are_no_secrets(text: str) -> None:
    assert not is_secret(text)


def test_only_a_hash_of_a_secret_is_kept() -> None:
    secret = new_secret()
    assert secret.encode() not in digest(secret)
    assert len(digest(secret)) == 32


def test_a_password_fits_its_own_hash_alone() -> None:
    hashed = hash_password("correct horse")
    assert hashed.startswith("$argon2id$")
    assert is_password("correct horse", hashed)
    assert not is_password("Correct horse", hashed)
    assert not is_password("correct horse", None)
    assert not is_password("correct horse", "not a hash")
    assert not is_password("x" * 5000, hashed)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_of_a_bad_length_is_refused(password: str) -> None:
    with pytest.raises(InvalidInputError):
        hash_password(password)
