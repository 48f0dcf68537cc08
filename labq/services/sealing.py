"""Secrets that the server has to give back: sealed with a key that is derived from its secret key.

A sealed text names the key that it is under, so that a key can be replaced while both are known.
What it belongs to is sealed with it: it cannot be opened as something else's.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from labq.domain.errors import ConfigurationError

_PURPOSE = b"labq: stored secrets"
_NAME_BYTES = 4
_NONCE_BYTES = 12
_KEY_BYTES = 32


def seal(text: str, belongs_to: str, keys: Sequence[str]) -> bytes:
    """Return a text sealed with the first key; raises ConfigurationError when there is none."""
    if not keys or not keys[0]:
        raise ConfigurationError("LABQ_SECRET_KEY is not set: secrets cannot be stored without it")
    key, nonce = _derived(keys[0]), secrets.token_bytes(_NONCE_BYTES)
    return _name(key) + nonce + AESGCM(key).encrypt(nonce, text.encode(), belongs_to.encode())


def unseal(sealed: bytes, belongs_to: str, keys: Sequence[str]) -> str:
    """Return the text; raises ConfigurationError when it is under none of the keys, or was changed."""
    name, rest = sealed[:_NAME_BYTES], sealed[_NAME_BYTES:]
    nonce, data = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
    for key in (_derived(known) for known in keys if known):
        if _name(key) == name:
            try:
                return AESGCM(key).decrypt(nonce, data, belongs_to.encode()).decode()
            except (InvalidTag, ValueError) as error:
                raise ConfigurationError(f"the stored secret of {belongs_to} is damaged") from error
    raise ConfigurationError(
        f"the stored secret of {belongs_to} is under another key than LABQ_SECRET_KEY and"
        " LABQ_FORMER_SECRET_KEYS: store it anew"
    )


def is_newest(sealed: bytes, keys: Sequence[str]) -> bool:
    """Tell whether a text is under the first key."""
    return bool(keys) and sealed[:_NAME_BYTES] == _name(_derived(keys[0]))


@lru_cache(maxsize=8)
def _derived(secret_key: str) -> bytes:
    derivation = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_PURPOSE)
    return derivation.derive(secret_key.encode())


def _name(key: bytes) -> bytes:
    return hashlib.sha256(_PURPOSE + key).digest()[:_NAME_BYTES]
