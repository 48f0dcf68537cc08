"""The test shell: starts the runner on the device and follows it to its end."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from labq.actions.steps.dictionary import character_delay, lookup
from labq.actions.steps.kernel import FATAL, FATAL_PATTERNS, KernelMessages
from labq.actions.steps.login import POKES
from labq.actions.steps.shell_group import answer_call
from labq.actions.steps.shell_run import RunFacts, ShellRun
from labq.actions.steps.signals import GroupCall, Repaired, SignalScanner, Token, measurement
from labq.actions.steps.suite import Measured
from labq.actions.steps.work import Work, expired
from labq.domain.deadline import Deadline
from labq.domain.errors import LabqError, TestError
from labq.domain.verdicts import Level
from labq.hw.expect import Alternative, Expect, Found, alternative, last_lines

ACTION = "lava-test-shell"
PROMPT_SECONDS = 5.0
"""How long the prompt after the runner's end is waited for; the results do not need it."""

_CHECKED = alternative("exit", r"labq-exit=([0-9]+)")
_RUNNER_END = b"<LAVA_TEST_RUNNER EXIT>"
_OVERLAP = 256
_LONGEST_LINE = 4096


@dataclass(slots=True)
class Shell:
    """One stage on one console."""

    work: Work
    expect: Expect
    prompts: Sequence[str]
    root: str
    shell: str
    stage: int
    definitions: Sequence[RunFacts]
    action: str = ACTION
    fatal: Sequence[Alternative] = FATAL_PATTERNS
    _tail: bytes = field(default=b"", init=False)
    _line: bytes = field(default=b"", init=False)

    def run(self) -> None:
        """Run all definitions of the stage; raises TestError, or what else ends the job."""
        run = ShellRun(self.work, self.definitions)
        try:
            with self.work.action(self.action, case=True) as deadline:
                self._start(deadline)
                self._follow(run, deadline)
        finally:
            if not run.is_over:
                run.close()
        self._await_prompt()

    def _start(self, deadline: Deadline) -> None:
        self._prompt(deadline)
        self._type(f"export SHELL={self.shell}")
        self._checked(f". {self.root}/environment", deadline)
        self._type(f"{self.root}/bin/lava-test-runner {self.root}/{self.stage}")

    def _prompt(self, deadline: Deadline) -> None:
        """Provoke a prompt, to know that a shell listens."""
        if not self.prompts:
            return
        wanted = self._prompts()
        for _ in range(POKES):
            self._type("#")
            share = deadline.remaining(self.expect.clock) / POKES
            if self._wait(wanted, deadline, min(share, self._quiet())):
                return
        raise self._expired(f"no prompt ({', '.join(self.prompts)})")

    def _checked(self, command: str, deadline: Deadline) -> None:
        self._type(f"{command}; echo labq-exit=$?")
        found = self._wait([_CHECKED], deadline, self._quiet())
        if found is None:
            raise self._expired(f"{command!r} does not end")
        if (code := int(found.match.group(1))) != 0:
            raise TestError(
                f"{command!r} failed on the device with exit code {code}: "
                "the overlay is not there or cannot be read"
            )

    def _wait(
        self, wanted: Sequence[Alternative], deadline: Deadline, silence: float
    ) -> Found | None:
        found = self.expect.wait([*wanted, *self.fatal], deadline, silence)
        if found is not None and found.name.startswith(FATAL):
            raise self._panic(found, deadline)
        return found

    def _follow(self, run: ShellRun, deadline: Deadline) -> None:
        scanner = SignalScanner()
        while not run.is_over:
            text = self.expect.take(deadline, self._silence())
            if text is None:
                raise self._expired("the tests did not end")
            ahead, panic = self._split_at_panic(text)
            for token in scanner.feed(ahead):
                self._take(run, token, deadline)
            if panic is not None:
                raise self._panic(panic, deadline)
            if run.running is not None and run.running.pattern:
                self._parse_lines(run, run.running, text)
        # The prompt may have come in one piece with the runner's end.
        self.expect.give_back(self._tail.rpartition(_RUNNER_END)[2])

    def _take(self, run: ShellRun, token: Token, deadline: Deadline) -> None:
        if isinstance(token, Repaired):
            text = f"a signal that the kernel's messages had torn is put together: {token.text!r}"
            self.work.session.log(Level.WARNING, text)
            token = token.token
        if isinstance(token, GroupCall):
            answer_call(self.work, self.expect, token, deadline)
        else:
            run.take(token)

    def _split_at_panic(self, text: bytes) -> tuple[bytes, Found | None]:
        """Return what of the text stands ahead of a panic, and the panic: results before it count."""
        seen = self._tail + text
        known, self._tail = len(self._tail), seen[-_OVERLAP:]
        if not any(one.needle in seen for one in self.fatal):
            return text, None
        self.expect.give_back(seen)
        found = self.expect.wait(self.fatal, self.expect.after(0.0))
        if found is None:
            self.expect.forget()
            return text, None
        return seen[known : max(known, found.match.start())], found

    def _panic(self, found: Found, deadline: Deadline) -> LabqError:
        messages = KernelMessages()
        error = messages.panic(self.expect, found, deadline)
        messages.report(self.work)
        return error

    def _parse_lines(self, run: ShellRun, facts: RunFacts, text: bytes) -> None:
        """Apply the deprecated `parse.pattern` of a definition to whole lines."""
        *lines, rest = (self._line + text).split(b"\n")
        self._line = rest[-_LONGEST_LINE:]
        regex = alternative("parse", facts.pattern).regex
        for line in lines:
            match = regex.search(line[-_LONGEST_LINE:])
            if match is not None:
                _report_match(run, facts, match)

    def _await_prompt(self) -> None:
        if self.prompts:
            self.expect.wait(self._prompts(), self.expect.after(PROMPT_SECONDS))

    def _prompts(self) -> list[Alternative]:
        return [alternative("prompt", prompt) for prompt in self.prompts]

    def _type(self, text: str) -> None:
        delay = character_delay(self.work.session, "test")
        self.expect.send(text.encode() + b"\n", delay)

    def _quiet(self) -> float:
        return self.work.session.step.timeouts.silence(self.action)

    def _silence(self) -> float:
        """Return the silence that ends a test: only what the job asks for, tests may be quiet.

        The dictionary's value for this action bounds the wait for prompts.
        """
        names = lookup(self.work.session.plan.dictionary, "timeouts", "connections")
        if isinstance(names, Mapping) and self.action in names:
            return math.inf
        return self.work.session.step.timeouts.connections.get(self.action, math.inf)

    def _expired(self, what: str) -> LabqError:
        last = self.expect.tail() or last_lines(self._tail) or "nothing"
        timeouts = self.work.session.step.timeouts
        facts = f"{what}; last on the console: {last}"
        return expired(self.action, timeouts.of(self.action), facts)


def _report_match(run: ShellRun, facts: RunFacts, match: re.Match[bytes]) -> None:
    groups = {
        name: value.decode(errors="replace").strip()
        for name, value in match.groupdict().items()
        if value is not None
    }
    fixups = facts.fixups or {"PASS": "pass", "FAIL": "fail", "SKIP": "skip", "UNKNOWN": "unknown"}
    result = groups.get("result", "pass" if "measurement" in groups else "")
    number = measurement(groups["measurement"]) if "measurement" in groups else None
    measured = Measured(number, groups.get("units", ""))
    run.report(groups.get("test_case_id", ""), fixups.get(result, result), measured)
