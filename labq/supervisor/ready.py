"""Waits until every part answers; runs in a process of its own so that the supervisor never waits."""

from __future__ import annotations

import json
import sys
import time
from http.client import HTTPConnection, HTTPException

from labq.domain.deadline import Deadline

POLL_SECONDS = 0.05
ANSWER_SECONDS = 5.0


def main(host: str, port: str, stream_port: str, seconds: str) -> int:
    """Return 0 once all answer, 1 after `seconds`, with what did not on standard error."""
    deadline = Deadline.after(float(seconds))
    while True:
        problem = _problem(host, int(port)) or _silence(host, int(stream_port))
        if not problem:
            return 0
        if deadline.is_over():
            print(problem, file=sys.stderr)  # noqa: T201 - for the log
            return 1
        time.sleep(POLL_SECONDS)


def _problem(host: str, port: int) -> str:
    """Return what is not well, nothing when all parts and hosts are."""
    try:
        health = json.loads(_get(host, port, "/api/v1/system/health"))
        ill = [part for part in health["parts"] if not part["is_well"]]
    except (OSError, HTTPException, ValueError, LookupError, TypeError) as error:
        return f"web does not answer: {error}"
    return "; ".join(f"{part['name']}: {part['detail']}" for part in ill)


def _silence(host: str, port: int) -> str:
    try:
        _get(host, port, "/")
    except (OSError, HTTPException) as error:
        return f"stream does not answer: {error}"
    return ""


def _get(host: str, port: int, path: str) -> bytes:
    link = HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    try:
        link.request("GET", path)
        return link.getresponse().read()
    finally:
        link.close()
