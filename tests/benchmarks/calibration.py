"""A fixed piece of work that says how fast a machine is at this moment: what times are held against.

It never changes: ratios to it would no longer be comparable with those that are kept.
"""

from __future__ import annotations

import hashlib
import json
import time

from tests.benchmarks.figures import median

_RECORD = {"id": 1, "name": "smoke", "tags": ["a", "b"], "nested": {"x": [1.5, None, True]}}

_TIMES = 25


def milliseconds() -> float:
    """Return what the loop takes now, the median of some."""
    taken = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        loop()
        taken.append(1000 * (time.perf_counter() - began))
    return round(median(taken), 4)


def loop() -> str:
    """Do what requests do most: make values, look them up, write and read JSON, hash bytes."""
    digest = hashlib.sha256()
    for number in range(400):
        record = {**_RECORD, "id": number, "text": f"job {number}"}
        text = json.dumps(record)
        found = json.loads(text)
        digest.update(text.encode())
        if found["id"] != number:
            raise AssertionError(text)
    return digest.hexdigest()
