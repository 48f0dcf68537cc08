"""Messages between the members of a group: sent, waited for, and how a run joins its group.

What is waited for comes from the journal, so that a step which replays it gets the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labq.actions.steps.expiry import TestTimeoutError
from labq.domain.deadline import Deadline
from labq.domain.errors import JobError
from labq.domain.orders import GroupMail
from labq.domain.plan import Queue, Seat
from labq.domain.verdicts import Level
from labq.hw.session import Session

PROTOCOL = "lava-multinode"
Answer = Mapping[str, Mapping[str, str]]
"""What was told, by the member who told it."""


@dataclass(frozen=True, slots=True)
class Group:
    """The group of a step's run."""

    session: Session
    seat: Seat

    @classmethod
    def of(cls, session: Session) -> Group:
        """Return the group; raises JobError for a run that has none."""
        if session.plan.seat is None:
            raise JobError("this job is in no multinode group: nobody could answer")
        return cls(session, session.plan.seat)

    def send(self, name: str, data: Mapping[str, str]) -> None:
        """Tell all members; what one of them told under this name before stays."""
        self.session.group.tell("send", name, data)

    def start(self, role: str) -> None:
        """Let the guests of a role begin."""
        self.session.group.tell("start", role, {})

    def wait(self, name: str, deadline: Deadline) -> Answer:
        """Wait until anybody has sent the message."""
        self._until(lambda: bool(self.answer(name)), deadline, f"lava-wait {name}")
        return self.answer(name)

    def wait_all(self, name: str, role: str, deadline: Deadline) -> Answer:
        """Wait until all members, or all of a role, have sent the message."""
        members = [member for member, found in self.seat.roles if role in ("", found)]
        if not members:
            raise JobError(f"lava-wait-all {name}: nobody in the group has the role {role!r}")
        what = f"lava-wait-all {name} {role}".rstrip()
        self._until(lambda: self.answer(name).keys() >= set(members), deadline, what, name)
        return {member: data for member, data in self.answer(name).items() if member in members}

    def sync(self, name: str, deadline: Deadline) -> Answer:
        """Send the message, and wait until all members have."""
        self.send(name, {})
        everybody = {member for member, _ in self.seat.roles}
        is_done = lambda: self.answer(name).keys() >= everybody  # noqa: E731  (one line says it)
        self._until(is_done, deadline, f"lava-sync {name}", name)
        return self.answer(name)

    def answer(self, name: str) -> Answer:
        """Return what was told under a name so far."""
        found: dict[str, dict[str, str]] = {}
        for mail in self.session.group.heard:
            if mail.sort == "send" and mail.name == name:
                found.setdefault(mail.sender, {}).update(mail.data)
        return {member: found[member] for member, _ in self.seat.roles if member in found}

    def join(self) -> None:
        """Wait until all members have begun, and a guest until it is told to begin."""
        if self._is_joined():
            return
        if self.session.group.read(Deadline.after(0.0, self.session.group.now())) is None:
            names = ", ".join(member for member, _ in self.seat.roles)
            self.session.log(Level.INFO, f"waits until all of its group have begun: {names}")
        deadline = Deadline.after(self.seat.timeout, self.session.group.now())
        self._until(self._is_joined, deadline, "the begin of all members of the group")

    def _is_joined(self) -> bool:
        heard = self.session.group.heard
        is_begun = any(mail.sort == "begun" for mail in heard)
        return is_begun and (not self.seat.start_role or any(map(self._starts, heard)))

    def _starts(self, mail: GroupMail) -> bool:
        is_host = (mail.sender, self.seat.start_role) in self.seat.roles
        return mail.sort == "start" and mail.name == self.seat.role and is_host

    def _until(
        self, is_done: Callable[[], bool], deadline: Deadline, what: str, name: str = ""
    ) -> None:
        """Read messages until it is done; raises TestTimeoutError. The step has no slot meanwhile."""
        line, began = self.session.group, self.session.group.now()
        while not is_done():
            if line.read(Deadline.after(0.0, line.now())) is None:
                break
        if is_done():
            return
        has_slot = self.session.step.queue is not Queue.TEST
        if has_slot:
            line.rest()
        while not is_done():
            if line.read(deadline) is None:
                raise TestTimeoutError(self._expired(what, name, deadline.at - began))
        if has_slot:
            line.resume()

    def _expired(self, what: str, name: str, seconds: float) -> str:
        message = f"{PROTOCOL}: {what} timed out after {round(seconds)} seconds"
        if not name:
            return message
        told = self.answer(name)
        missing = [f"{member} ({role})" for member, role in self.seat.roles if member not in told]
        return f"{message}; nothing came from {', '.join(missing)}"
