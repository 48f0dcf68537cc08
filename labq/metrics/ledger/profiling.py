"""The profiler for one request at a time: Python's own, in the thread of that request."""

from __future__ import annotations

import cProfile
import io
import pstats
import threading

from labq.domain.errors import ConflictError

MOST_FUNCTIONS = 80
LARGEST_TEXT = 40_000


class Profiler:
    """There is one for each process: a second request that asks for it meanwhile is refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = ""
        self._profile: cProfile.Profile | None = None

    def start_for(self, request: str) -> None:
        """Profile the calling thread; raises ConflictError while another request is profiled."""
        with self._lock:
            if self._profile is not None:
                raise ConflictError("another request is being profiled in this process: try again")
            profile = cProfile.Profile()
            try:
                profile.enable()
            except ValueError as error:
                raise ConflictError(f"another profiler is at work: {error}") from error
            self._owner, self._profile = request, profile

    def stop_for(self, request: str) -> str:
        """Return the functions by the time in and below them; nothing for one not profiled."""
        if self._owner != request or self._profile is None:
            return ""
        profile = self._profile
        profile.disable()
        self._owner, self._profile = "", None
        text = io.StringIO()
        pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats(MOST_FUNCTIONS)
        return text.getvalue().strip()[:LARGEST_TEXT]
