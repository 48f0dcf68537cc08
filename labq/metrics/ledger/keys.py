"""Where ledgers lie in Redis, and the seal of what may be explained.

Hosts cannot write there (`labq` is no name of a host). What is lost with Redis is counted anew.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from pydantic import TypeAdapter

from labq.metrics.ledger.masking import Kept
from labq.metrics.ledger.records import (
    ProfileRow,
    RequestRow,
    Summary,
    TransactionRow,
)

PROCESSES = "labq.ops.processes"
SQL_LOG = "labq.ops.sql-log"
KEPT_SECONDS = 24 * 3600
"""How long the lists of a process that has ended stay."""
SUMMARY_SECONDS = 150
REQUEST = TypeAdapter(RequestRow)
TRANSACTION = TypeAdapter(TransactionRow)
PROFILE = TypeAdapter(ProfileRow)
SUMMARY = TypeAdapter(Summary)
_PARAMETERS = TypeAdapter(dict[str, Kept])


def requests(process: str) -> str:
    """Return the key of a process's newest requests."""
    return f"labq.ops.requests.{process}"


def slow_requests(process: str) -> str:
    """Return the key of its requests over the threshold."""
    return f"labq.ops.slow-requests.{process}"


def slow_transactions(process: str) -> str:
    """Return the key of its transactions over the threshold."""
    return f"labq.ops.slow-transactions.{process}"


def profiles(process: str) -> str:
    """Return the key of its profiles."""
    return f"labq.ops.profiles.{process}"


def summary(process: str) -> str:
    """Return the key of its counters."""
    return f"labq.ops.summary.{process}"


def seal(key: str, text: str, parameters: Mapping[str, Kept]) -> str:
    """Return the proof that a process of this server wrote a call; empty without a secret key."""
    if not key:
        return ""
    content = text.encode() + b"\0" + _PARAMETERS.dump_json(dict(parameters))
    return hmac.new(key.encode(), b"ops:" + content, "sha256").hexdigest()


def is_sealed(key: str, text: str, parameters: Mapping[str, Kept], proof: str) -> bool:
    """Tell whether the proof is the one of this call."""
    return bool(key) and hmac.compare_digest(seal(key, text, parameters).encode(), proof.encode())
