"""The mixed load under which the schema is migrated: jobs that run, results that come in, readers."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from operator import methodcaller

from tests.lab.client import Answer, Client
from tests.lab.devices import overlay_job
from tests.lab.jobs import shell_test
from tests.lab.production import Production

READERS = 4
READER_PAUSE_SECONDS = 0.05
PATHS = (
    "/jobs",
    "/jobs?state=finished",
    "/jobs?device_type=shell",
    "/jobs/{job}",
    "/jobs/{job}/results",
    "/devices",
)
# What a test prints that reports results, without a process for each.
_SIGNALS = "seq {cases} | sed 's/.*/<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=case-& RESULT=pass>/'"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: its moment on the monotonic clock, how long it took, 0 for no answer at all."""

    at: float
    seconds: float
    status: int
    what: str

    @property
    def is_good(self) -> bool:
        """Tell whether it was served."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class Load:
    """Threads that ask until they are told to end; `submitted` are the jobs that were accepted."""

    def __init__(self, lab: Production, *, jobs_per_second: float, cases: int) -> None:
        self._lab = lab
        self._pause = 1 / jobs_per_second
        self._definition = overlay_job(shell_test(_SIGNALS.format(cases=cases)))
        self._stop = threading.Event()
        self.asked: list[Asked] = []
        self.submitted: list[int] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Ask until the block is left."""
        targets = [self._submit, *[self._read] * READERS]
        threads = [threading.Thread(target=target) for target in targets]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self, what: str, request: Callable[[Client], Answer]) -> Answer | None:
        """Make a request over a connection of its own; return its answer if it was served."""
        client, began, answer = self._lab.client(), time.monotonic(), None
        with suppress(OSError, HTTPException):
            answer = request(client)
        status = answer.status if answer else 0
        asked = Asked(began, time.monotonic() - began, status, what)
        client.close()
        self.asked.append(asked)
        return answer if asked.is_good else None

    def _submit(self) -> None:
        began = time.monotonic()
        for number in itertools.count():
            if self._stop.wait(max(0.0, began + number * self._pause - time.monotonic())):
                return
            body = {"definition": self._definition}
            answer = self._ask("submit", methodcaller("post", "/jobs", body))
            if answer is not None:
                self.submitted.append(answer.json["id"])

    def _read(self) -> None:
        for path in itertools.cycle(PATHS):
            if self._stop.wait(READER_PAUSE_SECONDS):
                return
            job = self.submitted[-1] if self.submitted else 1
            self._ask(path, methodcaller("get", path.format(job=job)))
