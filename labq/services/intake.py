"""Results of one run, taken by the hundred: what they are held against is looked up once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from labq.domain.bounds import MOST_SKEW
from labq.domain.events import ResultReported
from labq.domain.states import RunState
from labq.models.job import Job
from labq.models.run import Run
from labq.services import results
from labq.services.open_runs import OpenRun

Reported = list[tuple[Job, ResultReported]]


@dataclass(slots=True)
class Intake:
    """What results of a run are taken, as long as nothing else is told of it.

    Only results of the present epoch of an open run count; others are in the log only. A run that
    the server has given up takes none: its job ended without them.
    """

    job: Job
    run: Run
    steps: Collection[int]
    epoch: int
    is_open: bool
    earliest: datetime
    latest: datetime
    room: int
    reported: Reported
    counted: int = 0

    @classmethod
    def of(cls, known: OpenRun, now: datetime, reported: Reported) -> Intake:
        """Return the intake of a run as it is now, which adds what counts to `reported`."""
        run, job = known.run, known.job
        return cls(
            job=job,
            run=run,
            steps=known.steps,
            epoch=run.epoch,
            is_open=run.state is not RunState.ENDED,
            earliest=job.submitted_at - MOST_SKEW,
            latest=now + MOST_SKEW,
            room=results.room_of(run),
            reported=reported,
        )

    def takes(self, event: ResultReported) -> bool:
        """Take a result in which nothing is odd; False for one that has to be looked at closely."""
        if event.step not in self.steps or event.epoch > self.epoch:
            return False
        if not self.earliest <= event.at <= self.latest:
            return False
        self.add(event)
        return True

    def add(self, event: ResultReported) -> None:
        """Take a result of a step and an epoch that the run has."""
        if self.is_open and event.epoch == self.epoch:
            self.counted += 1
            if self.counted <= self.room:
                self.reported.append((self.job, event))

    def close(self) -> None:
        """Note in the run's row how many there were."""
        results.count(self.run, self.counted)
