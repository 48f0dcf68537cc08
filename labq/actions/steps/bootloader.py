"""Talks to a boot loader: stops it, then sends lines one by one, each after the prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from labq.actions.steps.dictionary import character_delay
from labq.actions.steps.work import Work, expired
from labq.domain.deadline import Deadline
from labq.domain.errors import InfrastructureError
from labq.hw.expect import Alternative, Expect, Found, alternative

ECHO_BYTES = 24
"""How much of a line's end is looked for in its echo: enough to tell it from what came before."""

ECHO_SECONDS = 5.0
"""How long an echo is waited for before the prompt is waited for without it."""


@dataclass(slots=True)
class Bootloader:
    """One boot loader on one console."""

    work: Work
    expect: Expect
    prompt: str
    interrupt_prompt: str
    interrupt_text: str
    needs_interrupt: bool
    final_message: str
    errors: Sequence[str]

    def interrupt(self) -> None:
        """Stop the automatic boot and reach the prompt."""
        name = "bootloader-interrupt"
        with self.work.action(name) as deadline:
            if self.needs_interrupt:
                wanted = [alternative("interrupt", self.interrupt_prompt)]
                self._await(wanted, name, deadline)
                self.expect.send(self.interrupt_text.encode(), self._delay())
            self._await([self._prompt()], name, deadline)

    def send(self, lines: Sequence[str]) -> None:
        """Send the lines; after the last one the final message must come."""
        name = "bootloader-commands"
        with self.work.action(name) as deadline:
            for number, line in enumerate(lines, start=1):
                self._line(line, name, deadline)
                if number < len(lines):
                    self._await([self._prompt()], name, deadline)
            if self.final_message:
                self._await([alternative("final", self.final_message)], name, deadline)

    def _line(self, line: str, name: str, deadline: Deadline) -> None:
        """Send a line and wait for its echo, so that an older prompt is not taken for its end."""
        self.expect.send(line.encode() + b"\n", self._delay())
        tail = line.encode()[-ECHO_BYTES:]
        if not tail:
            return
        echo = Alternative("echo", re.compile(re.escape(tail)), tail)
        patience = min(deadline, self.expect.after(ECHO_SECONDS))
        found = self.expect.wait([echo, *self._errors()], patience)
        if found is None:
            self.work.debug(f"no echo of {line!r}")
            return
        self._judge(found, name)

    def _await(self, wanted: Sequence[Alternative], name: str, deadline: Deadline) -> Found:
        timeouts = self.work.session.step.timeouts
        found = self.expect.wait([*wanted, *self._errors()], deadline, timeouts.silence(name))
        if found is None:
            pattern = wanted[0].regex.pattern.decode()
            last = self.expect.tail() or "nothing"
            facts = f"{pattern!r} never came; last on the console: {last}"
            raise expired(name, min(timeouts.of(name), timeouts.silence(name)), facts)
        return self._judge(found, name)

    def _judge(self, found: Found, name: str) -> Found:
        if found.name == "error":
            line = (found.before[-200:] + found.match.group()).decode(errors="replace")
            shown = line.splitlines()[-1].strip()
            raise InfrastructureError(f"{name}: the boot loader failed: {shown}")
        return found

    def _prompt(self) -> Alternative:
        return alternative("prompt", self.prompt)

    def _errors(self) -> list[Alternative]:
        return [alternative("error", source) for source in self.errors]

    def _delay(self) -> float:
        return character_delay(self.work.session, "boot")
