"""The steady stream of jobs: keeps so many at work, cancels the endless ones, notes what ends."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress

from labq.domain.deadline import monotonic
from tests.chaos import trial as trials
from tests.chaos.fleet import SHELL, UML
from tests.chaos.ground import AWAY
from tests.chaos.record import Entry, Record
from tests.lab.client import Client

TURN_SECONDS = 0.25
ENDLESS_SHARE = 0.1
PAGE = 100


class Submitter:
    """A thread of its own: a web server that does not answer holds up nothing else."""

    def __init__(
        self, client: Client, record: Record, seed: int, most: dict[str, int], longest: float
    ) -> None:
        """Keep so many jobs of each kind at work; their tests pause at most `longest` seconds."""
        self._longest = longest
        self._client = client
        self._record = record
        self._rng = random.Random(f"jobs {seed}")
        self._most = most
        self._number = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="submitter", daemon=True)
        self.trouble: list[str] = []

    def start(self) -> None:
        """Begin to submit."""
        self._thread.start()

    def stop(self) -> None:
        """Submit no more, and let go of the connection."""
        self._is_over.set()
        self._thread.join(90)

    def _run(self) -> None:
        while not self._is_over.wait(TURN_SECONDS):
            try:
                self.turn()
                self._fill()
            except AWAY:
                self._client.close()

    def turn(self) -> None:
        """See what has ended, and cancel what is due."""
        for entry in self._record.open_entries():
            after = entry.trial.cancel_after
            if after is not None and not entry.canceled and monotonic() - entry.submitted > after:
                self._cancel(entry)
        self._look()

    def _look(self) -> None:
        """Ask once for all that is not over; what is missing there is over."""
        waiting = list(self._record.open_entries())
        states = ("submitted", "scheduled", "running", "canceling")
        answer = self._client.ask(
            "GET", f"/api/v1/jobs?limit={PAGE}&" + "&".join(f"state={state}" for state in states)
        )
        if answer.status != 200 or answer.json.get("next"):
            return
        alive = {job["id"] for job in answer.json["items"]}
        for entry in waiting:
            if entry.job not in alive:
                self._record.ended(entry)

    def _fill(self) -> None:
        at_work = Counter(entry.trial.kind for entry in self._record.open_entries())
        for kind in (SHELL, UML):
            for _ in range(min(2, self._most[kind] - at_work[kind])):
                self._submit(kind)

    def _submit(self, kind: str) -> None:
        self._number += 1
        is_endless = self._rng.random() < ENDLESS_SHARE
        name = f"chaos-{self._number:05}"
        trial = trials.draw(self._rng, name, kind, is_endless=is_endless, longest=self._longest)
        entry = self._record.submitted(trial)
        # Once only: what is sent again may be accepted twice.
        body = trial.text.encode()
        headers = {"Content-Type": "application/yaml"}
        answer = self._client.ask("POST", "/api/v1/jobs", body, headers, tries=1)
        if answer.status == 201:
            self._record.accepted(entry, answer.json["id"])
        elif answer.status < 500:
            self.trouble.append(f"{name} was refused: {answer.text}")

    def _cancel(self, entry: Entry) -> None:
        with suppress(ValueError):
            if self._client.post(f"/jobs/{entry.job}/cancel").status < 300:
                self._record.canceled(entry)
