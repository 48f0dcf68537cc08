"""The error of a test whose time is over."""

from __future__ import annotations

from labq.domain.errors import TestError


class TestTimeoutError(TestError):
    """A test's time is over; a block with `skip: true` goes on after it."""

    __test__ = False
