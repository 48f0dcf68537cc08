"""Names and ids of messages."""

from __future__ import annotations

import json

import pytest

from labq.domain.plan import Queue
from labq.queue import id_of, queue_name, task_id


def test_one_sending_has_one_id() -> None:
    assert task_id(12, 3, 4) == "12-3-4"
    assert queue_name("rack", Queue.FASTBOOT) == "rack.fastboot"


def test_the_id_of_a_message_is_read() -> None:
    assert id_of(json.dumps({"headers": {"id": "1-2-3"}}).encode()) == "1-2-3"


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b"{}", b'{"headers": 1}', b'{"headers": {"id": 5}}']
)
def test_what_is_no_message_has_no_id(raw: bytes) -> None:
    assert id_of(raw) is None
