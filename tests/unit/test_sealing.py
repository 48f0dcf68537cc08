"""Secrets that have to be given back are sealed, and come back from nothing but their own place."""

from __future__ import annotations

import pytest

from labq.domain.errors import ConfigurationError
from labq.services.sealing import is_newest, seal, unseal

PLACE = "token 'x' of user 1"


def test_a_secret_comes_back_and_is_not_in_what_is_stored() -> None:
    sealed = seal("gläsern", PLACE, ["key"])
    assert unseal(sealed, PLACE, ["key"]) == "gläsern"
    assert "gläsern".encode() not in sealed


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert seal("secret", PLACE, ["key"]) != seal("secret", PLACE, ["key"])


def test_a_former_key_still_opens_and_new_secrets_are_under_the_new_one() -> None:
    old = seal("secret", PLACE, ["old"])
    assert unseal(old, PLACE, ["new", "old"]) == "secret"
    assert not is_newest(old, ["new", "old"])
    assert is_newest(seal("secret", PLACE, ["new", "old"]), ["new", "old"])


def test_under_an_unknown_key_the_settings_are_named() -> None:
    with pytest.raises(ConfigurationError, match="LABQ_FORMER_SECRET_KEYS"):
        unseal(seal("secret", PLACE, ["old"]), PLACE, ["new"])


def test_a_secret_of_somebody_else_does_not_open() -> None:
    with pytest.raises(ConfigurationError, match="damaged"):
        unseal(seal("secret", PLACE, ["key"]), "token 'x' of user 2", ["key"])


def test_a_changed_secret_does_not_open() -> None:
    sealed = bytearray(seal("secret", PLACE, ["key"]))
    sealed[-1] ^= 1
    with pytest.raises(ConfigurationError, match="damaged"):
        unseal(bytes(sealed), PLACE, ["key"])


def test_nothing_is_stored_without_a_key() -> None:
    with pytest.raises(ConfigurationError, match="LABQ_SECRET_KEY"):
        seal("secret", PLACE, [])
