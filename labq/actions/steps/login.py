"""From a started kernel to a shell prompt: messages, trouble, login."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from labq.actions.parameters import AutoLogin, LoginBoot
from labq.actions.steps.dictionary import KERNEL_START, character_delay, constant
from labq.actions.steps.kernel import (
    FATAL,
    FATAL_PATTERNS,
    TROUBLE,
    TROUBLE_PATTERNS,
    KernelMessages,
)
from labq.actions.steps.work import Work, expired, namespaced
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError, JobError, LabqError
from labq.domain.verdicts import Level
from labq.hw.expect import Alternative, Expect, Found, alternative

POKES = 6
"""How often `#` is typed to provoke a prompt, in the second half of the time."""


@dataclass(slots=True)
class Login:
    """One way from power to prompt on one console."""

    work: Work
    expect: Expect
    parameters: LoginBoot
    errors: Sequence[str] = ()
    messages: KernelMessages = field(default_factory=KernelMessages)

    def run(self) -> None:
        """Reach a prompt; report the login and `kernel-messages`; remember the prompts."""
        login = self.parameters.auto_login
        if not self.parameters.prompts and login is None:
            return
        name = "login-action" if login is None else "auto-login-action"
        with self._kernel_messages(), self.work.action(name, case=True) as deadline:
            self._kernel_start(name, deadline)
            if login is not None:
                self._log_in(login, name, deadline)
            self._await("prompt", self.prompts(), name, deadline)
            for command in login.login_commands if login else ():
                self._type(command)
                self._await("prompt", self.prompts(), name, deadline)
        self.work.session.remember(
            namespaced(self.work.session, "prompts"), list(self.parameters.prompts)
        )

    def prompts(self) -> list[Alternative]:
        """Return the patterns that mean that a shell waits for input."""
        return [alternative("prompt", source) for source in self.parameters.prompts]

    def _kernel_start(self, name: str, deadline: Deadline) -> None:
        message = self.parameters.parameters.kernel_start_message
        if message is None:
            message = constant(self.work.session, "kernel-start-message")
        message = KERNEL_START if message is None else message
        if message:
            self.work.debug(f"waiting for the kernel: {message!r}")
            self._await("kernel", [alternative("kernel", message)], name, deadline)

    def _log_in(self, login: AutoLogin, name: str, deadline: Deadline) -> None:
        wanted = [alternative("login", login.login_prompt), *self.prompts()]
        if self._await("login prompt", wanted, name, deadline).name == "prompt":
            raise JobError("a shell prompt came before the login prompt; drop auto_login")
        self._type(login.username)
        if login.password_prompt:
            wanted = [alternative("password", login.password_prompt)]
            self._await("password prompt", wanted, name, deadline)
            self._type(login.password)

    def _type(self, text: str) -> None:
        delay = character_delay(self.work.session, "boot")
        self.expect.send(text.encode() + b"\n", delay)

    def _await(
        self, what: str, wanted: Sequence[Alternative], name: str, deadline: Deadline
    ) -> Found:
        """Return the first of `wanted`, recording trouble on the way; raise what ends the boot."""
        alternatives = [*wanted, *self._unwanted()]
        while True:
            found = self._poke(alternatives, name, deadline)
            if found is None:
                raise expired(name, self._allowed(name), self._facts(what, wanted))
            if not found.name.startswith(TROUBLE):
                return self._judge(found, deadline)
            self.messages.note(found)
            self.work.session.log(Level.WARNING, f"kernel trouble: {found.text.splitlines()[0]}")

    def _unwanted(self) -> list[Alternative]:
        bad = [alternative("bootloader", source) for source in self.errors]
        bad.append(alternative("login-incorrect", "Login incorrect"))
        bad.append(alternative("login-timed-out", "Login timed out"))
        if self.parameters.failure_message:
            bad.append(alternative("failure", self.parameters.failure_message))
        if not self.parameters.ignore_kernel_messages:
            bad += [*FATAL_PATTERNS, *TROUBLE_PATTERNS]
        return bad

    def _judge(self, found: Found, deadline: Deadline) -> Found:
        if found.name.startswith(FATAL):
            raise self.messages.panic(self.expect, found, deadline)
        error = _error_of(found)
        if error is not None:
            raise error
        return found

    def _poke(
        self, alternatives: Sequence[Alternative], name: str, deadline: Deadline
    ) -> Found | None:
        limit = min(self._silence(name), deadline.remaining(self.expect.clock))
        found = self.expect.wait(alternatives, deadline, limit / 2)
        for _ in range(POKES):
            if found is not None or deadline.is_over(self.expect.clock):
                break
            self.work.debug("the console is silent, typing '#' to provoke a prompt")
            self.expect.send(b"#\n", character_delay(self.work.session, "boot"))
            found = self.expect.wait(alternatives, deadline, limit / 2 / POKES)
        return found

    def _silence(self, name: str) -> float:
        return self.work.session.step.timeouts.silence(name)

    def _allowed(self, name: str) -> float:
        return min(self.work.session.step.timeouts.of(name), self.work.session.step.timeouts.block)

    def _facts(self, what: str, wanted: Sequence[Alternative]) -> str:
        patterns = ", ".join(repr(one.regex.pattern.decode()) for one in wanted)
        last = self.expect.tail() or "nothing"
        return f"no {what} ({patterns}) came; last on the console: {last}"

    @contextmanager
    def _kernel_messages(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.messages.report(self.work)


def _error_of(found: Found) -> LabqError | None:
    match found.name:
        case "bootloader":
            return InfrastructureError(f"the boot loader failed: {found.text!r}")
        case "login-incorrect":
            return JobError("the device answered 'Login incorrect'")
        case "login-timed-out":
            return JobError("the device answered 'Login timed out'")
        case "failure":
            return JobError(f"the failure message of the job was seen: {found.text!r}")
        case _:
            return None
