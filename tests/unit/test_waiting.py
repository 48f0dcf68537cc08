"""What a waiting job waits for."""

from __future__ import annotations

import pytest

from labq.domain.matching import Want
from labq.domain.waiting import Candidate, describe_wait

A = Candidate(name="a", host="rack", tags=frozenset({"usb"}))
BUSY = Candidate(name="b", host="rack", tags=frozenset({"usb", "sd"}), is_idle=False)
BUSY_TOO = Candidate(name="c", host="shelf", is_idle=False)
BAD = Candidate(name="d", host="attic", obstacle="is bad")
MANY = [Candidate(name=f"m{number}", host="rack", is_idle=False) for number in range(5)]
PLAIN = Want(device_type="arm")


@pytest.mark.parametrize(
    ("want", "devices", "words"),
    [
        (PLAIN, [], "a device of type arm: there is none"),
        (PLAIN, [BAD, BUSY, A], "its turn: an idle device fits"),
        (PLAIN, [BAD, BUSY], "b to become free"),
        (PLAIN, [BUSY_TOO, BUSY], "one of b, c to become free"),
        (PLAIN, MANY, "one of m0, m1, m2 and 2 more to become free"),
        (PLAIN, [BAD], "a device in service: d is bad"),
        (Want(device_type="arm", tags=frozenset({"sd"})), [A, BUSY], "b to become free"),
        (Want(device_type="arm", host="shelf"), [A, BUSY_TOO], "c to become free"),
        (
            Want(device_type="arm", device="a", host="shelf", tags=frozenset({"z", "y"})),
            [A, BUSY],
            "a device of type arm, name a, host shelf, tag y, tag z: there is none",
        ),
    ],
)
def test_a_waiting_job_says_what_has_to_happen(
    want: Want, devices: list[Candidate], words: str
) -> None:
    assert describe_wait(want, devices) == words
