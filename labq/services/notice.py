"""What a mail says of a job: its end in the subject, facts and results in clear words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from labq.domain.states import Outcome
from labq.domain.verdicts import Verdict
from labq.models.delivery import Delivery
from labq.models.device import Device
from labq.models.job import Job
from labq.models.user import User
from labq.services import deliveries, job_cases
from labq.services.callback import Moment
from labq.services.job_cases import CaseSuite
from labq.services.mail import Mail
from labq.services.notify_block import Verbosity

MOST_CASES = 200
"""Failed cases, or differences, that one mail lists."""


class NoAddressError(Exception):
    """Whom the mail is for has no address; trying again does not help."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """One mail in the making; `base` is the server's address for links."""

    session: Session
    job: Job
    moment: Moment
    base: str

    def subject(self) -> str:
        """Return the subject."""
        what = self.moment.outcome or self.moment.state
        return f"labq: job {self.job.id} is {what}: {self.job.name}"

    def status(self) -> Iterator[str]:
        """Yield the lines that every mail has."""
        job = self.job
        yield f"Job {job.id} ({job.name}) is {self.moment.outcome or self.moment.state}."
        if self.moment.outcome is Outcome.INCOMPLETE and job.error_type:
            yield f"{job.error_type} error: {job.error_message}"
        yield f"{self.base}/jobs/{job.id}"

    def facts(self) -> Iterator[str]:
        """Yield where and when it ran."""
        job = self.job
        device = self.session.scalar(select(Device.name).where(Device.id == job.device_id))
        yield ""
        yield f"Device type: {job.device_type}"
        if device:
            yield f"Device:      {device} on host {job.host}"
        yield f"Submitted:   {job.submitted_at:%Y-%m-%d %H:%M:%S} UTC"
        if job.started_at:
            yield f"Started:     {job.started_at:%Y-%m-%d %H:%M:%S} UTC"
        if job.ended_at and self.moment.outcome:
            yield f"Ended:       {job.ended_at:%Y-%m-%d %H:%M:%S} UTC"

    def results(self, suites: list[CaseSuite]) -> Iterator[str]:
        """Yield how many cases of each suite passed and failed."""
        if suites:
            yield ""
            yield "Results:"
        for suite in suites:
            counts = ", ".join(
                f"{number} {verdict.value}" for verdict, number in suite.counts.items() if number
            )
            yield f"  {suite.name}: {counts or 'no case'}"

    def failures(self, suites: list[CaseSuite]) -> Iterator[str]:
        """Yield the failed cases by name."""
        failed = job_cases.read(self.session, self.job.id, suites, verdict=Verdict.FAIL)
        names = [f"  {case.suite}: {case.name}" for case in failed]
        if names:
            yield ""
            yield "Failed:"
            yield from names[:MOST_CASES]
        if len(names) > MOST_CASES:
            yield f"  and {len(names) - MOST_CASES} more"

    def comparison(self, ignored: frozenset[str]) -> Iterator[str]:
        """Yield what differs from the submitter's last complete job of the same name and type."""
        before = deliveries.find_before(self.session, self.job, Outcome.COMPLETE)
        yield ""
        if before is None:
            yield "No complete job of this name and device type came before it."
            return
        mine, theirs = self._verdicts(self.job, ignored), self._verdicts(before, ignored)
        yield f"Compared with job {before.id} ({self.base}/jobs/{before.id}):"
        changed = [
            f"  {suite}: {name}: {_word(theirs.get((suite, name)))} -> {_word(verdict)}"
            for (suite, name), verdict in mine.items()
            if theirs.get((suite, name)) is not verdict
        ]
        gone = [
            f"  {suite}: {name}: is gone" for suite, name in theirs if (suite, name) not in mine
        ]
        lines = [*changed, *gone]
        yield from lines[:MOST_CASES] or ["  no difference"]
        if len(lines) > MOST_CASES:
            yield f"  and {len(lines) - MOST_CASES} more"

    def _verdicts(self, job: Job, ignored: frozenset[str]) -> dict[tuple[str, str], Verdict]:
        suites = job_cases.find_suites(self.session, job.id)
        return {
            (case.suite, case.name): case.verdict
            for case in job_cases.read(self.session, job.id, suites)
            if case.suite not in ignored and case.name not in ignored
        }


def write(session: Session, delivery: Delivery, job: Job | None, base: str) -> Mail:
    """Return the mail of a delivery; raises NoAddressError."""
    target = delivery.target
    if job is None or delivery.kind == deliveries.MESSAGE:
        return Mail(str(target["email"]), str(target["subject"]), str(target["text"]))
    writer = _Writer(session, job, deliveries.moment_of(delivery, job), base)
    lines = list(writer.status())
    if target.get("verbosity") != Verbosity.STATUS_ONLY:
        suites = job_cases.find_suites(session, job.id)
        lines += [*writer.facts(), *writer.results(suites)]
        if target.get("verbosity") == Verbosity.VERBOSE:
            lines += writer.failures(suites)
        if target.get("compares") and writer.moment.outcome:
            lines += writer.comparison(frozenset(target.get("ignored", ())))
    to = str(target.get("email") or _address_of(session, str(target.get("user", ""))))
    return Mail(to, writer.subject(), "\n".join([*lines, ""]))


def _address_of(session: Session, name: str) -> str:
    address = session.scalar(select(User.email).where(User.name == name, User.is_active))
    if address is None:
        raise NoAddressError(f"there is no user {name!r}")
    if not address:
        raise NoAddressError(f"user {name} has no e-mail address")
    return address


def _word(verdict: Verdict | None) -> str:
    return "new" if verdict is None else verdict.value
